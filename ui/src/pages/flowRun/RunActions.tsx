import { Link } from '@tanstack/react-router'
import { Ban, Check, RotateCw } from 'lucide-react'
import type { FlowRun } from '@/api/generated'
import { useMay } from '@/api/me'
import { useCancelFlowRun, useResumeFlowRun } from '@/api/runs'
import { useSearchState } from '@/frame/search'
import { Button, buttonClass } from '@/ui/Button'
import { ConfirmDialog } from '@/ui/Dialog'
import { isFinished } from '@/ui/states'
import { toast, toastError } from '@/ui/Toast'

const NOT_ALLOWED = 'Your role may look, not run. An administrator can change it on the page Team.'

/** Cancel, approve, run again; what the role does not allow is there, disabled, with the reason. The palette asks to cancel by the address. */
export function RunActions({ run }: { run: FlowRun }) {
  const may = useMay('run')
  const cancel = useCancelFlowRun()
  const resume = useResumeFlowRun()
  const [search, setSearch] = useSearchState()
  const why = may ? undefined : NOT_ALLOWED
  const unfinished = !isFinished(run.state.type)
  return (
    <>
      {run.state.type === 'Paused' && (
        <Button
          variant="primary"
          icon={Check}
          disabled={!may}
          title={why}
          busy={resume.isPending}
          onClick={() =>
            resume.mutate(run.id, {
              onSuccess: () => toast('The run goes on'),
              onError: (error) => toastError('The run is still paused', error),
            })
          }
        >
          Approve
        </Button>
      )}
      {unfinished && (
        <Button
          icon={Ban}
          disabled={!may || run.cancel_requested}
          title={run.cancel_requested ? 'It has been told to stop.' : why}
          onClick={() => setSearch({ ask: 'cancel' })}
        >
          Cancel
        </Button>
      )}
      {may ? (
        <Link
          to="/flows/$flowId"
          params={{ flowId: run.flow_id }}
          search={{ run: run.id }}
          className={buttonClass('plain')}
        >
          <RotateCw aria-hidden size={16} />
          Run again
        </Link>
      ) : (
        <Button icon={RotateCw} disabled title={why}>
          Run again
        </Button>
      )}
      <ConfirmDialog
        open={search.ask === 'cancel' && unfinished && may}
        onOpenChange={() => setSearch({ ask: undefined }, 'end')}
        title={`Cancel the run ${run.name}?`}
        action="Cancel the run"
        onConfirm={() => cancel.mutateAsync(run.id)}
      >
        <p>{loss(run)}</p>
      </ConfirmDialog>
    </>
  )
}

/** What cancelling stops, in words. */
function loss(run: FlowRun): string {
  const running = run.task_states.Running ?? 0
  if (run.started_at === null) return `It has not started: nothing of ${run.flow} will run.`
  const now =
    running === 0
      ? 'No task runs just now'
      : `${running} running ${running === 1 ? 'task is' : 'tasks are'} stopped`
  return `${now}, and no other task of ${run.flow} starts. Results that were kept stay where they are.`
}

import { Link } from '@tanstack/react-router'
import {
  Ban,
  Check,
  EllipsisVertical,
  History,
  Pause,
  RotateCw,
  Stamp,
  ThumbsDown,
  Trash2,
} from 'lucide-react'
import type { FlowRun } from '@/api/generated'
import { useMay } from '@/api/me'
import { useCancelFlowRun, useResumeFlowRun } from '@/api/runs'
import { useSearchState } from '@/frame/search'
import { DeleteDialog, MarkDialog, PauseDialog, RejectDialog } from '@/pages/flowRun/ControlDialogs'
import { RerunDialog } from '@/pages/flowRun/RerunDialog'
import { Button, buttonClass, IconButton } from '@/ui/Button'
import { ConfirmDialog } from '@/ui/Dialog'
import { Menu, type MenuItem } from '@/ui/Menu'
import { isFinished } from '@/ui/states'
import { toast, toastError } from '@/ui/Toast'

const NOT_ALLOWED = 'Your role may look, not run. An administrator can change it on the page Team.'

/** What can be done with the run now; what the role does not allow is there, disabled, with the reason. */
export function RunActions({ run }: { run: FlowRun }) {
  const may = useMay('run')
  const mayDelete = useMay('administer')
  const resume = useResumeFlowRun()
  const [, setSearch] = useSearchState()
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
      {unfinished ? (
        <Button
          icon={Ban}
          disabled={!may || run.cancel_requested}
          title={run.cancel_requested ? 'It has been told to stop.' : why}
          onClick={() => setSearch({ ask: 'cancel' })}
        >
          Cancel
        </Button>
      ) : (
        <Button
          icon={History}
          disabled={!may}
          title={why ?? 'A new run of what did not succeed, with the results of the rest.'}
          onClick={() => setSearch({ ask: 'rerun' })}
        >
          Re-run
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
      {may && (
        <Menu
          trigger={<IconButton label="More actions" icon={EllipsisVertical} />}
          items={furtherActions(run, mayDelete, (ask) => setSearch({ ask }))}
        />
      )}
      {may && <AskedDialog run={run} />}
    </>
  )
}

/** What is done more rarely, as far as the run's state allows it. */
function furtherActions(run: FlowRun, mayDelete: boolean, ask: (what: string) => void): MenuItem[] {
  const items: MenuItem[] = []
  if (run.state.type === 'Running')
    items.push({
      label: run.pausing ? 'It is about to pause' : 'Pause',
      icon: Pause,
      disabled: run.pausing ?? false,
      onSelect: () => ask('pause'),
    })
  if (run.state.type === 'Paused')
    items.push({ label: 'Reject', icon: ThumbsDown, onSelect: () => ask('reject') })
  items.push({ label: 'Mark as …', icon: Stamp, onSelect: () => ask('mark') })
  if (isFinished(run.state.type) && mayDelete)
    items.push({ label: 'Delete', icon: Trash2, danger: true, onSelect: () => ask('delete') })
  return items
}

/** The dialog that the address asks for; none where the run's state does not allow it any more. */
function AskedDialog({ run }: { run: FlowRun }) {
  const cancel = useCancelFlowRun()
  const [search, setSearch] = useSearchState()
  const asked = { run, onClose: () => setSearch({ ask: undefined, from: undefined }, 'end') }
  const finished = isFinished(run.state.type)
  switch (search.ask) {
    case 'pause':
      return run.state.type === 'Running' && <PauseDialog {...asked} />
    case 'reject':
      return run.state.type === 'Paused' && <RejectDialog {...asked} />
    case 'mark':
      return <MarkDialog {...asked} />
    case 'delete':
      return finished && <DeleteDialog {...asked} />
    case 'rerun':
      return finished && <RerunDialog {...asked} from={search.from} />
    case 'cancel':
      return (
        <ConfirmDialog
          open={!finished}
          onOpenChange={asked.onClose}
          title={`Cancel the run ${run.name}?`}
          action="Cancel the run"
          onConfirm={() => cancel.mutateAsync(run.id)}
        >
          <p>{loss(run)}</p>
        </ConfirmDialog>
      )
    default:
      return null
  }
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

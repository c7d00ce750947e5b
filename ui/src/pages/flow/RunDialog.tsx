import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { isMissing, Problem } from '@/api/client'
import { versionQuery } from '@/api/flows'
import type { Flow } from '@/api/generated'
import { flowRunQuery, useCreateFlowRun } from '@/api/runs'
import { Button } from '@/ui/Button'
import { Dialog } from '@/ui/Dialog'
import { EmptyState, ErrorState } from '@/ui/EmptyState'
import { RunForm, type RunRequest } from '@/ui/runForm/RunForm'
import { SkeletonRows } from '@/ui/Skeleton'

interface RunDialogProps {
  flow: Flow
  /** "new", or the id of a run whose parameters are taken. */
  from: string
  onClose: () => void
  /** Asks for a run with the flow's own parameters instead. */
  onAnew: () => void
}

/** Asks for the parameters of a run and starts it. */
export function RunDialog({ flow, from, onClose, onAnew }: RunDialogProps) {
  const again = from !== 'new'
  const version = useQuery(versionQuery(flow.current_version_id))
  const earlier = useQuery({ ...flowRunQuery(from), enabled: again })
  const create = useCreateFlowRun()
  const navigate = useNavigate()
  const failed = version.error ?? (again ? earlier.error : null)
  const ready = version.data !== undefined && (!again || earlier.data !== undefined)
  const given: RunRequest = again
    ? {
        parameters: earlier.data?.parameters ?? {},
        labels: earlier.data?.labels ?? null,
        log_level: earlier.data?.log_level ?? 'INFO',
      }
    : { parameters: flow.default_parameters }

  function submit(request: RunRequest) {
    create.mutate(
      { flow_id: flow.id, ...request },
      { onSuccess: (run) => void navigate({ to: '/flow-runs/$flowRunId', params: { flowRunId: run.id } }) },
    )
  }

  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title={again ? `Run ${flow.name} again` : `Run ${flow.name}`}
      description={
        earlier.data ? `With the parameters of ${earlier.data.name}, for you to change.` : undefined
      }
    >
      {again && isMissing(earlier.error) ? (
        <EmptyState
          title="The earlier run is gone"
          action={<Button onClick={onAnew}>Start from the defaults</Button>}
        >
          The run whose parameters were to be taken was deleted, or the address is mistyped.
        </EmptyState>
      ) : failed ? (
        <ErrorState
          error={failed}
          retry={() => {
            void version.refetch()
            if (again) void earlier.refetch()
          }}
        />
      ) : !ready ? (
        <SkeletonRows />
      ) : (
        <RunForm
          parameters={version.data.structure.parameters ?? []}
          given={given}
          flowLabels={flow.labels.length > 0 ? flow.labels : flow.version_labels}
          errors={create.error instanceof Problem ? create.error.errors : {}}
          error={create.error}
          busy={create.isPending}
          onSubmit={submit}
          onCancel={onClose}
        />
      )}
    </Dialog>
  )
}

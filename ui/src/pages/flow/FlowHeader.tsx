import type { Flow } from '@/api/generated'
import { useMay } from '@/api/me'
import { useUpdateFlow } from '@/api/runs'
import { Badge } from '@/ui/Badge'
import { Time } from '@/ui/Time'
import { formatSeconds } from '@/ui/times'
import { toastError } from '@/ui/Toast'

/** What the flow is for, how it has done, and whether it is paused. */
export function FlowHeader({ flow }: { flow: Flow }) {
  const may = useMay('run')
  const update = useUpdateFlow()
  const labels = flow.labels.length > 0 ? flow.labels : flow.version_labels
  return (
    <div className="mb-4 flex flex-col gap-3">
      {flow.description && (
        <p className="max-w-prose wrap-anywhere whitespace-pre-line">{flow.description}</p>
      )}
      <div className="flex flex-wrap items-center gap-x-6 gap-y-2 text-sm text-muted">
        <label className="flex min-h-6 items-center gap-2 text-ink">
          <input
            type="checkbox"
            role="switch"
            className="size-4 accent-accent"
            checked={flow.paused}
            disabled={!may || update.isPending}
            title={may ? undefined : 'Your role may look, not pause.'}
            onChange={(event) =>
              update.mutate(
                { flowId: flow.id, paused: event.target.checked },
                { onError: (error) => toastError('The flow is as it was', error) },
              )
            }
          />
          Paused{flow.paused && ': no run of it starts'}
        </label>
        <span>
          Next run <Time at={flow.next_run_at} missing="none planned" />
        </span>
        {flow.success_rate !== null && <span>{Math.floor(flow.success_rate * 100)} % succeed</span>}
        {flow.median_seconds !== null && (
          <span>half of them within {formatSeconds(flow.median_seconds)}</span>
        )}
        {labels.length > 0 && (
          <span className="flex flex-wrap items-center gap-1">
            Labels
            {labels.map((label) => (
              <Badge key={label}>{label}</Badge>
            ))}
          </span>
        )}
      </div>
    </div>
  )
}

import { startTransition, useOptimistic } from 'react'

import type { Flow } from '@/api/generated'
import { useMay } from '@/api/me'
import { useUpdateFlow } from '@/api/runs'
import { Badge } from '@/ui/Badge'
import { Switch } from '@/ui/Field'
import { Time } from '@/ui/Time'
import { formatSeconds } from '@/ui/times'
import { toastError } from '@/ui/Toast'

/** What the flow is for, how it has done, and whether it is paused. */
export function FlowHeader({ flow }: { flow: Flow }) {
  const may = useMay('run')
  const update = useUpdateFlow()
  // What was asked for is shown with the click; where it is refused, what is.
  const [paused, show] = useOptimistic(flow.paused)
  const labels = flow.labels.length > 0 ? flow.labels : flow.version_labels
  return (
    <div className="mb-4 flex flex-col gap-3">
      {flow.description && (
        <p className="max-w-prose wrap-anywhere whitespace-pre-line">{flow.description}</p>
      )}
      <div className="flex flex-wrap items-center gap-x-6 gap-y-2 text-sm text-muted">
        <Switch
          className="text-ink"
          label={paused ? 'Paused: no run of it starts' : 'Paused'}
          checked={paused}
          disabled={!may}
          title={may ? undefined : 'Your role may look, not pause.'}
          onChange={({ target: { checked } }) =>
            startTransition(async () => {
              show(checked)
              const asked = { flowId: flow.id, paused: checked }
              const refused = (error: Error) => toastError('The flow is as it was', error)
              await Promise.allSettled([update.mutateAsync(asked, { onError: refused })])
            })
          }
        />
        {flow.next_run_at === null ? (
          <span>No run is planned</span>
        ) : (
          <span>
            Next run <Time at={flow.next_run_at} />
          </span>
        )}
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

import type { Bucket } from '@/api/generated'
import { StateIcon } from '@/ui/StateBadge'
import { STATE_TYPES, stateWords } from '@/ui/states'
import { shortTime } from '@/ui/times'

interface StateBarsProps {
  buckets: readonly Bucket[]
  /** The sums over all buckets. */
  states: Record<string, number>
}

/** Runs by state over time: stacked bars, with their sums in words below. */
export function StateBars({ buckets, states }: StateBarsProps) {
  const totals = buckets.map((bucket) => Object.values(bucket.states).reduce((sum, count) => sum + count, 0))
  const highest = Math.max(1, ...totals)
  const sums = STATE_TYPES.filter((type) => (states[type] ?? 0) > 0)
  const first = buckets[0]
  return (
    <figure className="flex flex-col gap-2">
      <div aria-hidden className="flex h-28 items-end gap-px rounded-md border border-line bg-surface p-2">
        {buckets.map((bucket, index) => (
          <Bar key={bucket.starts_at} bucket={bucket} total={totals[index] ?? 0} highest={highest} />
        ))}
      </div>
      <div aria-hidden className="flex justify-between text-xs text-muted">
        <span>{first && shortTime(first.starts_at)}</span>
        <span>now</span>
      </div>
      <figcaption>
        {sums.length === 0 ? (
          <p className="text-muted">No runs in this time.</p>
        ) : (
          <ul className="flex flex-wrap gap-x-5 gap-y-1">
            {sums.map((type) => (
              <li key={type} className="flex items-center gap-1.5">
                <StateIcon type={type} />
                {stateWords(type)}
                <span className="tabular font-medium">{(states[type] ?? 0).toLocaleString()}</span>
              </li>
            ))}
          </ul>
        )}
      </figcaption>
    </figure>
  )
}

function Bar({ bucket, total, highest }: { bucket: Bucket; total: number; highest: number }) {
  const parts = STATE_TYPES.filter((type) => (bucket.states[type] ?? 0) > 0)
  const words = parts
    .map((type) => `${bucket.states[type] ?? 0} ${stateWords(type).toLowerCase()}`)
    .join(', ')
  return (
    <div
      title={`${shortTime(bucket.starts_at)}: ${words || 'none'}`}
      className="flex h-full min-w-0 flex-1 items-end"
    >
      <div
        className="flex w-full flex-col-reverse overflow-hidden rounded-t-[2px]"
        style={{ height: `${(total / highest) * 100}%` }}
      >
        {parts.map((type) => (
          <div
            key={type}
            data-state-type={type}
            className="min-h-0.5 bg-state"
            style={{ flexGrow: bucket.states[type] ?? 0 }}
          />
        ))}
      </div>
    </div>
  )
}

import { exactTime } from '@/ui/times'
import { type Span, ticks } from './scale'

/** The widths of the names' column; the bars take the rest. */
export const NAMES = 'w-32 shrink-0 sm:w-52'

/** Marks at round distances from the start, which stays in sight above the rows. */
export function Axis({ span }: { span: Span }) {
  return (
    <div className="sticky top-0 z-10 flex border-b border-line bg-surface text-xs text-muted">
      <div className={`${NAMES} truncate px-3 py-1.5`} title={exactTime(new Date(span.from).toISOString())}>
        Task
      </div>
      <div aria-hidden className="relative mr-16 h-7 min-w-0 flex-1">
        {ticks(span, 6).map((tick) => (
          <span
            key={tick.at}
            className="tabular absolute top-1.5 border-l border-line pl-1 whitespace-nowrap nth-[even]:max-sm:hidden"
            style={{ left: `${tick.at * 100}%` }}
          >
            {tick.label}
          </span>
        ))}
      </div>
    </div>
  )
}

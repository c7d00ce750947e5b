import type { Schedule } from '@/api/generated'
import { Badge } from '@/ui/Badge'
import { exactTime, formatSeconds } from '@/ui/times'

type Clock = Schedule['clocks'][number]

/** When a clock fires, as its author wrote it. */
function clockWords(clock: Clock): string {
  switch (clock.clock) {
    case 'cron':
      return `cron ${clock.expression}`
    case 'interval':
      return `every ${formatSeconds(clock.every_seconds)}`
    case 'dates':
      return clock.dates.map(exactTime).join(', ')
    case 'rrule':
      return clock.rule
  }
}

const CATCH_UP = {
  skip: 'left out',
  latest: 'the latest is made up for',
  all: 'all are made up for',
} as const

/** The schedules that the flow's author wrote, to read. */
export function Schedules({ schedules }: { schedules: readonly Schedule[] }) {
  return (
    <ul className="divide-y divide-line rounded-md border border-line bg-surface">
      {schedules.map((schedule, index) => (
        <li key={index} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-2">
          {schedule.clocks.map((clock, place) => (
            <span key={place} className="flex flex-wrap items-center gap-x-2 gap-y-1">
              <code className="font-mono text-sm wrap-anywhere">{clockWords(clock)}</code>
              <Badge title="Time zone">{clock.timezone ?? 'UTC'}</Badge>
            </span>
          ))}
          <span className="text-sm text-muted">
            missed firings: {CATCH_UP[schedule.catch_up ?? 'skip']}
            {(schedule.filters ?? []).length > 0 && `, ${(schedule.filters ?? []).length} filters`}
            {schedule.active === false && ', not active'}
          </span>
        </li>
      ))}
    </ul>
  )
}

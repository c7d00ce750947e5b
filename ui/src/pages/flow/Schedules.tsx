import type { Schedule } from '@/api/generated'
import { Badge } from '@/ui/Badge'

/** The schedules that the flow's author wrote, to read. */
export function Schedules({ schedules }: { schedules: readonly Schedule[] }) {
  return (
    <ul className="flex flex-col gap-2">
      {schedules.map((schedule, index) => (
        <li key={index} className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <code className="font-mono text-sm wrap-anywhere">{JSON.stringify(schedule)}</code>
          <Badge>missed firings: {schedule.catch_up ?? 'skip'}</Badge>
        </li>
      ))}
    </ul>
  )
}

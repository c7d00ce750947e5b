import type { StateType } from '@/api/generated'
import { stateWords } from '@/ui/states'

/** What is done stands left, what is to come right. */
const PROGRESS: readonly StateType[] = [
  'Success',
  'Failed',
  'Crashed',
  'Cancelled',
  'Paused',
  'Cancelling',
  'Running',
  'Submitted',
  'Scheduled',
]

interface StateBarProps {
  /** How many of each state type. */
  states: Record<string, number>
  /** What is counted, in the plural: "tasks". */
  noun: string
  total?: number
}

/** One bar of many states, with the same in words for who does not see it. */
export function StateBar({ states, noun, total }: StateBarProps) {
  const parts = PROGRESS.map((type) => ({ type, count: states[type] ?? 0 })).filter((part) => part.count > 0)
  const counted = parts.reduce((sum, part) => sum + part.count, 0)
  const whole = Math.max(total ?? 0, counted, 1)
  const words = parts.map((part) => `${part.count} ${stateWords(part.type).toLowerCase()}`).join(', ')
  const label = words ? `${noun}: ${words}` : `no ${noun} yet`
  return (
    <span
      role="img"
      aria-label={label}
      title={label}
      className="flex h-2 w-full overflow-hidden rounded-sm bg-raised"
    >
      {parts.map((part) => (
        <span
          key={part.type}
          data-state-type={part.type}
          className="bg-state not-last:border-r not-last:border-surface"
          style={{ width: `${(part.count / whole) * 100}%` }}
        />
      ))}
    </span>
  )
}

import {
  CalendarClock,
  CircleCheck,
  CircleSlash,
  CircleX,
  ClockAlert,
  type LucideIcon,
  PauseCircle,
  Play,
  Send,
  Unplug,
  ZapOff,
} from 'lucide-react'
import type { StateType } from '@/api/generated'

/** What is shown: the stored types, and two that are derived and never stored. */
export type ShownState = StateType | 'Late' | 'Unreachable'

export const STATE_ICONS: Record<ShownState, LucideIcon> = {
  Scheduled: CalendarClock,
  Late: ClockAlert,
  Submitted: Send,
  Running: Play,
  Unreachable: Unplug,
  Paused: PauseCircle,
  Cancelling: CircleSlash,
  Success: CircleCheck,
  Failed: CircleX,
  Crashed: ZapOff,
  Cancelled: CircleSlash,
}

/** In the order in which bars over time are stacked and legends read: what needs a look is on top. */
export const STATE_TYPES: readonly StateType[] = [
  'Success',
  'Cancelled',
  'Running',
  'Cancelling',
  'Submitted',
  'Scheduled',
  'Paused',
  'Failed',
  'Crashed',
]

const FINISHED: ReadonlySet<string> = new Set([
  'Success',
  'Failed',
  'Crashed',
  'Cancelled',
] satisfies StateType[])

export function isFinished(type: string): boolean {
  return FINISHED.has(type)
}

export function isShownState(type: string): type is ShownState {
  return type in STATE_ICONS
}

/** "TriggerFailed" reads "Trigger failed". */
export function stateWords(name: string): string {
  const words = name.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

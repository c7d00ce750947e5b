import type { State } from '@/api/generated'
import { classes } from '@/ui/classes'
import { type ShownState, STATE_ICONS, isShownState, stateWords } from '@/ui/states'

interface StateBadgeProps {
  state: Pick<State, 'type' | 'name'>
  /** Derived, shown in place of Scheduled and of Running. */
  late?: boolean
  unreachable?: boolean
}

/** A state in words, with its colour and icon. */
export function StateBadge({ state, late = false, unreachable = false }: StateBadgeProps) {
  const shown: ShownState = late ? 'Late' : unreachable ? 'Unreachable' : state.type
  const words = shown === state.type ? stateWords(state.name) : shown
  return (
    <span
      data-state-type={shown}
      className="inline-flex h-6 items-center gap-1 rounded-sm bg-state-soft px-1.5 text-sm font-medium whitespace-nowrap text-state"
    >
      <StateIcon type={shown} />
      {words}
    </span>
  )
}

interface StateIconProps {
  type: string
  size?: number
  /** Read aloud where no words stand beside the icon. */
  label?: string
}

/** The icon of a state in its colour. Unknown types look like Scheduled: an older page meets a newer server. */
export function StateIcon({ type, size = 14, label }: StateIconProps) {
  const shown = isShownState(type) ? type : 'Scheduled'
  const Icon = STATE_ICONS[shown]
  return (
    <Icon
      data-state-type={shown}
      size={size}
      className={classes('shrink-0 text-state', shown === 'Running' && 'animate-pulse-slow')}
      {...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': true })}
    />
  )
}

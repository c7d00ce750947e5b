import { useLocation } from '@tanstack/react-router'
import { Bot, LayoutDashboard, type LucideIcon, UserRound, UsersRound, Waypoints } from 'lucide-react'

interface Place {
  to: '/' | '/flows' | '/agents' | '/team' | '/account'
  label: string
  icon: LucideIcon
  /** How the addresses of further pages begin that belong to it. */
  below?: string | undefined
}

export const PLACES: readonly Place[] = [
  { to: '/', label: 'Dashboard', icon: LayoutDashboard },
  { to: '/flows', label: 'Flows', icon: Waypoints, below: '/flow-runs/' },
  { to: '/agents', label: 'Agents', icon: Bot },
  { to: '/team', label: 'Team', icon: UsersRound },
  { to: '/account', label: 'Account', icon: UserRound },
]

/** Whether the page that is shown belongs to a place, which its link does not know by itself. */
export function useIsBelow(): (place: Pick<Place, 'below'>) => boolean {
  const path = useLocation({ select: (location) => location.pathname })
  return ({ below }) => below !== undefined && path.startsWith(below)
}

import { Bot, LayoutDashboard, type LucideIcon, UserRound, UsersRound, Waypoints } from 'lucide-react'

interface Place {
  to: '/' | '/flows' | '/agents' | '/team' | '/account'
  label: string
  icon: LucideIcon
}

export const PLACES: readonly Place[] = [
  { to: '/', label: 'Dashboard', icon: LayoutDashboard },
  { to: '/flows', label: 'Flows', icon: Waypoints },
  { to: '/agents', label: 'Agents', icon: Bot },
  { to: '/team', label: 'Team', icon: UsersRound },
  { to: '/account', label: 'Account', icon: UserRound },
]

import type { CreateServiceAccount, CreateUser } from '@/api/generated'

export type UserRole = NonNullable<CreateUser['role']>
export type ServiceRole = NonNullable<CreateServiceAccount['role']>

/** What each role may do, in words for who chooses one. */
export const USER_ROLES: Record<UserRole, string> = {
  viewer: 'Viewer: sees everything, changes nothing',
  member: 'Member: also runs and registers flows',
  administrator: 'Administrator: also manages people, service accounts and agents',
}

export const SERVICE_ROLES: Record<ServiceRole, string> = {
  agent: 'Agent: takes runs and launches them',
  registrar: 'Registrar: registers flows, as CI does',
}

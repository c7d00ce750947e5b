import { queryOptions, useMutation, useQueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { get, rememberCsrfToken, send } from '@/api/client'
import type {
  AcceptInvitationData,
  ChangePasswordData,
  ChangePasswordResponse,
  Me,
  ReadMeData,
  SignInData,
  SignOutData,
  SignOutResponse,
} from '@/api/generated'

export type Permission = 'account' | 'read' | 'run' | 'register' | 'administer' | 'agent'

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: async ({ signal }) => remember(await get<ReadMeData, Me>('/api/me', {}, signal)),
  staleTime: 5 * 60_000,
})

function remember(me: Me): Me {
  rememberCsrfToken(me.csrf_token)
  return me
}

/** Who is signed in; the root route has loaded it before any page is drawn. */
export function useMe(): Me {
  return useSuspenseQuery(meQuery).data
}

export function useMay(permission: Permission): boolean {
  return useMe().permissions.includes(permission)
}

/** A way in; what was read before is forgotten. */
function useEntrance<V>(enter: (variables: V) => Promise<Me>) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: enter,
    onSuccess: (me) => {
      client.clear()
      client.setQueryData(meQuery.queryKey, remember(me))
    },
  })
}

export function useSignIn() {
  return useEntrance((body: SignInData['body']) => send<SignInData, Me>('POST', '/api/session', { body }))
}

export function useAcceptInvitation() {
  return useEntrance((body: AcceptInvitationData['body']) =>
    send<AcceptInvitationData, Me>('POST', '/api/invitations/accept', { body }),
  )
}

/** Whoever calls it loads a new document afterwards: that forgets all that this session had read. */
export function useSignOut() {
  return useMutation({ mutationFn: () => send<SignOutData, SignOutResponse>('DELETE', '/api/session', {}) })
}

export function useChangePassword() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (body: ChangePasswordData['body']) =>
      send<ChangePasswordData, ChangePasswordResponse>('POST', '/api/me/password', { body }),
    onSuccess: () => client.invalidateQueries({ queryKey: meQuery.queryKey }),
  })
}

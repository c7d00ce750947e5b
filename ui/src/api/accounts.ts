import { infiniteQueryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { get, send } from '@/api/client'
import type {
  CreatedKey,
  CreatedUser,
  CreateKeyData,
  CreateServiceAccountData,
  CreateUserData,
  DeleteServiceAccountData,
  DeleteServiceAccountResponse,
  DeleteUserData,
  DeleteUserResponse,
  ListKeysData,
  ListServiceAccountsData,
  ListUsersData,
  PageKey,
  PageServiceAccount,
  PageUser,
  RevokeKeyData,
  RevokeKeyResponse,
  ServiceAccount,
  UpdateUserData,
  User,
} from '@/api/generated'

const paged = {
  initialPageParam: null as string | null,
  getNextPageParam: (page: { next?: string | null }) => page.next,
}

export const usersQuery = infiniteQueryOptions({
  queryKey: ['users'],
  queryFn: ({ signal, pageParam }) =>
    get<ListUsersData, PageUser>('/api/users', { query: { after: pageParam } }, signal),
  ...paged,
})

export const serviceAccountsQuery = infiniteQueryOptions({
  queryKey: ['service_accounts'],
  queryFn: ({ signal, pageParam }) =>
    get<ListServiceAccountsData, PageServiceAccount>(
      '/api/service_accounts',
      { query: { after: pageParam } },
      signal,
    ),
  ...paged,
})

/** One's own keys, or a service account's. */
export function keysQuery(serviceAccountId: string | null) {
  return infiniteQueryOptions({
    queryKey: ['keys', serviceAccountId ?? 'own'],
    queryFn: ({ signal, pageParam }) =>
      get<ListKeysData, PageKey>(
        '/api/keys',
        { query: { service_account_id: serviceAccountId, after: pageParam } },
        signal,
      ),
    ...paged,
  })
}

/** What each change makes stale; an answer that holds a secret is given to the caller and kept nowhere. */
function useChange<V, A>(change: (variables: V) => Promise<A>, ...stale: string[]) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: change,
    gcTime: 0,
    onSuccess: () => Promise.all(stale.map((key) => client.invalidateQueries({ queryKey: [key] }))),
  })
}

export function useCreateUser() {
  return useChange(
    (body: CreateUserData['body']) => send<CreateUserData, CreatedUser>('POST', '/api/users', { body }),
    'users',
  )
}

export function useUpdateUser() {
  return useChange(
    ({ userId, ...body }: UpdateUserData['body'] & { userId: string }) =>
      send<UpdateUserData, User>('PATCH', '/api/users/{user_id}', { path: { user_id: userId }, body }),
    'users',
    'me',
  )
}

export function useDeleteUser() {
  return useChange(
    (userId: string) =>
      send<DeleteUserData, DeleteUserResponse>('DELETE', '/api/users/{user_id}', {
        path: { user_id: userId },
      }),
    'users',
  )
}

export function useCreateServiceAccount() {
  return useChange(
    (body: CreateServiceAccountData['body']) =>
      send<CreateServiceAccountData, ServiceAccount>('POST', '/api/service_accounts', { body }),
    'service_accounts',
  )
}

export function useDeleteServiceAccount() {
  return useChange(
    (id: string) =>
      send<DeleteServiceAccountData, DeleteServiceAccountResponse>(
        'DELETE',
        '/api/service_accounts/{service_account_id}',
        { path: { service_account_id: id } },
      ),
    'service_accounts',
  )
}

export function useCreateKey() {
  return useChange(
    (body: CreateKeyData['body']) => send<CreateKeyData, CreatedKey>('POST', '/api/keys', { body }),
    'keys',
    'service_accounts',
  )
}

export function useRevokeKey() {
  return useChange(
    (keyId: string) =>
      send<RevokeKeyData, RevokeKeyResponse>('DELETE', '/api/keys/{key_id}', { path: { key_id: keyId } }),
    'keys',
    'service_accounts',
  )
}

import { queryOptions, useMutation } from '@tanstack/react-query'
import { get, send } from '@/api/client'
import type {
  OpenInvitation,
  ReadInvitationData,
  ReadWaysInData,
  RequestResetData,
  RequestResetResponse,
  SignUpData,
  SignUpResponse,
  UseResetData,
  UseResetResponse,
  WaysIn,
} from '@/api/generated'

/** What the sign-in page offers; `problem` is the word that a sign-in that went wrong has left in the address. */
export function waysInQuery(problem: string) {
  return queryOptions({
    queryKey: ['ways_in', problem],
    queryFn: ({ signal }) => get<ReadWaysInData, WaysIn>('/api/ways_in', { query: { problem } }, signal),
  })
}

/** What a link invites to. A POST, so that no log has the token. */
export function invitationQuery(token: string) {
  return queryOptions({
    queryKey: ['invitation', token],
    queryFn: () =>
      send<ReadInvitationData, OpenInvitation>('POST', '/api/invitations/read', { body: { token } }),
    retry: false,
  })
}

export function useSignUp() {
  return useMutation({
    mutationFn: (email: string) =>
      send<SignUpData, SignUpResponse>('POST', '/api/sign_ups', { body: { email } }),
  })
}

export function useRequestReset() {
  return useMutation({
    mutationFn: (email: string) =>
      send<RequestResetData, RequestResetResponse>('POST', '/api/resets', { body: { email } }),
  })
}

export function useNewPassword() {
  return useMutation({
    mutationFn: (body: UseResetData['body']) =>
      send<UseResetData, UseResetResponse>('POST', '/api/resets/use', { body }),
  })
}

import { infiniteQueryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { get, send } from '@/api/client'
import type { DeleteAgentData, DeleteAgentResponse, ListAgentsData, PageAgent } from '@/api/generated'

export function agentsQuery(filter: Pick<NonNullable<ListAgentsData['query']>, 'health' | 'label'>) {
  return infiniteQueryOptions({
    queryKey: ['agents', filter],
    queryFn: ({ signal, pageParam }) =>
      get<ListAgentsData, PageAgent>('/api/agents', { query: { ...filter, after: pageParam } }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  })
}

export function useDeleteAgent() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (agentId: string) =>
      send<DeleteAgentData, DeleteAgentResponse>('DELETE', '/api/agents/{agent_id}', {
        path: { agent_id: agentId },
      }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['agents'] }),
  })
}

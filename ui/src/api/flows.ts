import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { get } from '@/api/client'
import type {
  Flow,
  FlowStructure,
  ListFlowsData,
  ListVersionsData,
  PageFlow,
  PageFlowVersion,
  ReadFlowData,
  ReadVersionData,
} from '@/api/generated'

export function flowsQuery(filter: Pick<NonNullable<ListFlowsData['query']>, 'project' | 'search'>) {
  return infiniteQueryOptions({
    queryKey: ['flows', 'list', filter],
    queryFn: ({ signal, pageParam }) =>
      get<ListFlowsData, PageFlow>('/api/flows', { query: { ...filter, after: pageParam } }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  })
}

export function flowQuery(flowId: string) {
  return queryOptions({
    queryKey: ['flows', 'one', flowId],
    queryFn: ({ signal }) =>
      get<ReadFlowData, Flow>('/api/flows/{flow_id}', { path: { flow_id: flowId } }, signal),
  })
}

export function versionsQuery(flowId: string) {
  return infiniteQueryOptions({
    queryKey: ['flows', 'versions', flowId],
    queryFn: ({ signal, pageParam }) =>
      get<ListVersionsData, PageFlowVersion>(
        '/api/flows/{flow_id}/versions',
        { path: { flow_id: flowId }, query: { after: pageParam } },
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  })
}

/** A version never changes: it is fetched once. */
export function versionQuery(versionId: string) {
  return queryOptions({
    queryKey: ['version', versionId],
    queryFn: ({ signal }) =>
      get<ReadVersionData, FlowStructure>(
        '/api/versions/{version_id}',
        { path: { version_id: versionId } },
        signal,
      ),
    staleTime: Infinity,
  })
}

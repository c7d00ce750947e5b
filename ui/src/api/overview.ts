import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { get } from '@/api/client'
import type { ListFlowRunsData, Overview, PageFlowRun, ReadOverviewData } from '@/api/generated'

/** Below "flow_runs", for each change of a run changes it. */
export function overviewQuery(query: NonNullable<ReadOverviewData['query']>) {
  return queryOptions({
    queryKey: ['flow_runs', 'overview', query],
    queryFn: ({ signal }) => get<ReadOverviewData, Overview>('/api/overview', { query }, signal),
    placeholderData: keepPreviousData,
  })
}

/**
 * Whether anything runs, for the wheel on every page. It asks now and then; on pages that listen to runs it is told.
 */
export const runningQuery = queryOptions({
  queryKey: ['flow_runs', 'running'],
  queryFn: async ({ signal }) => {
    const query = { state: ['Running'], limit: 1 }
    const page = await get<ListFlowRunsData, PageFlowRun>('/api/flow_runs', { query }, signal)
    return page.items.length > 0
  },
  refetchInterval: 10_000,
})

import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { get, href } from '@/api/client'
import type { CountLogs, CountLogsData, DownloadLogsData, ListLogsData, PageLogLine } from '@/api/generated'

/** Which lines of a run's log; without a task those of all of it. */
export type LogQuery = Pick<
  NonNullable<ListLogsData['query']>,
  'level' | 'task' | 'map_index' | 'search' | 'since' | 'until'
>

type Sort = NonNullable<NonNullable<ListLogsData['query']>['sort']>

/** Lines by page: few enough to be drawn at once, many enough that a long log needs few requests. */
const PAGE = 1000

/** Below ['logs', run's id], which a notice of new lines renews. */
export function logCountQuery(flowRunId: string, query: LogQuery) {
  return queryOptions({
    queryKey: ['logs', flowRunId, 'count', query],
    queryFn: ({ signal }) =>
      get<CountLogsData, CountLogs>(
        '/api/flow_runs/{flow_run_id}/logs/count',
        { path: { flow_run_id: flowRunId }, query },
        signal,
      ),
  })
}

/** The newest lines of one task run, for its card. */
export function lastLinesQuery(flowRunId: string, query: LogQuery, limit: number) {
  return queryOptions({
    queryKey: ['logs', flowRunId, 'last', query, limit],
    queryFn: async ({ signal }) => {
      const page = await lines(flowRunId, { ...query, sort: '-time', limit }, signal)
      return page.items.toReversed()
    },
    placeholderData: keepPreviousData,
  })
}

/** Reads one page after another; a log view keeps them, for it alone knows which of them are still looked at. */
export function logPage(flowRunId: string, query: LogQuery, sort: Sort, after: string | undefined) {
  return lines(flowRunId, { ...query, sort, after: after ?? null, limit: PAGE })
}

function lines(flowRunId: string, query: NonNullable<ListLogsData['query']>, signal?: AbortSignal) {
  return get<ListLogsData, PageLogLine>(
    '/api/flow_runs/{flow_run_id}/logs',
    { path: { flow_run_id: flowRunId }, query },
    signal,
  )
}

/** What the filter finds as a file, by plain links. */
export function logDownloads(flowRunId: string, filter: LogQuery) {
  const formats = [
    ['Text', 'text'],
    ['CSV', 'csv'],
    ['NDJSON', 'ndjson'],
  ] as const
  return formats.map(([label, format]) => ({
    label,
    href: href<DownloadLogsData>('/api/flow_runs/{flow_run_id}/logs/download', {
      path: { flow_run_id: flowRunId },
      query: { ...filter, format },
    }),
  }))
}

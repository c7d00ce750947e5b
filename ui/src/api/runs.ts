import { infiniteQueryOptions, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { get, send } from '@/api/client'
import { flowQuery } from '@/api/flows'
import type {
  CancelFlowRunData,
  CreateFlowRun,
  CreateFlowRunData,
  Flow,
  FlowRun,
  ListFlowRunsData,
  ListRunEventsData,
  ListTaskRunsData,
  PageFlowRun,
  PageRunEvent,
  PageTaskRun,
  ReadFlowRunData,
  ReadTaskRunData,
  ResumeFlowRunData,
  TaskRun,
  TaskRunStates,
  UpdateFlowData,
} from '@/api/generated'

type Filter = NonNullable<ListFlowRunsData['query']>

const LARGEST_PAGE = 1000

export function flowRunsQuery(filter: Omit<Filter, 'after'>) {
  return infiniteQueryOptions({
    queryKey: ['flow_runs', 'list', filter],
    queryFn: ({ signal, pageParam }) =>
      get<ListFlowRunsData, PageFlowRun>(
        '/api/flow_runs',
        { query: { ...filter, after: pageParam } },
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next,
  })
}

/** All that is about one run is below ['flow_run', its id], so that a notice about it renews what is on screen. */
export function flowRunQuery(flowRunId: string) {
  return queryOptions({
    queryKey: ['flow_run', flowRunId, 'run'],
    queryFn: ({ signal }) =>
      get<ReadFlowRunData, FlowRun>(
        '/api/flow_runs/{flow_run_id}',
        { path: { flow_run_id: flowRunId } },
        signal,
      ),
  })
}

export function runEventsQuery(flowRunId: string) {
  return queryOptions({
    queryKey: ['flow_run', flowRunId, 'events'],
    queryFn: ({ signal }) =>
      get<ListRunEventsData, PageRunEvent>(
        '/api/flow_runs/{flow_run_id}/events',
        { path: { flow_run_id: flowRunId } },
        signal,
      ),
  })
}

/** All task runs of a run; the children of mapped tasks are counted in their parent. */
export function taskRunsQuery(flowRunId: string) {
  return queryOptions({
    queryKey: ['flow_run', flowRunId, 'tasks'],
    queryFn: async ({ signal }) => {
      const found: TaskRun[] = []
      let after: string | null | undefined
      do {
        const query = { limit: LARGEST_PAGE, after: after ?? null }
        const page = await taskRuns(flowRunId, query, signal)
        found.push(...page.items)
        after = page.next
      } while (after)
      return found
    },
  })
}

/** The first children of a mapped task, as many as a page holds. */
export function childrenQuery(flowRunId: string, slug: string) {
  return queryOptions({
    queryKey: ['flow_run', flowRunId, 'tasks', slug],
    queryFn: ({ signal }) => taskRuns(flowRunId, { slug, limit: LARGEST_PAGE }, signal),
  })
}

function taskRuns(flowRunId: string, query: ListTaskRunsData['query'], signal: AbortSignal) {
  return get<ListTaskRunsData, PageTaskRun>(
    '/api/flow_runs/{flow_run_id}/tasks',
    { path: { flow_run_id: flowRunId }, ...(query && { query }) },
    signal,
  )
}

export function taskRunQuery(flowRunId: string, slug: string, mapIndex: number) {
  return queryOptions({
    queryKey: ['flow_run', flowRunId, 'task', slug, mapIndex],
    queryFn: ({ signal }) =>
      get<ReadTaskRunData, TaskRunStates>(
        '/api/flow_runs/{flow_run_id}/tasks/{slug}',
        { path: { flow_run_id: flowRunId, slug }, query: { map_index: mapIndex } },
        signal,
      ),
  })
}

/** What changes a run is seen at once in every list of runs. */
export function useRunChange<V>(change: (given: V) => Promise<FlowRun>) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: change,
    onSuccess: (run) => {
      client.setQueryData(flowRunQuery(run.id).queryKey, run)
      return Promise.all([
        client.invalidateQueries({ queryKey: ['flow_runs'] }),
        client.invalidateQueries({ queryKey: ['flow_run', run.id] }),
      ])
    },
  })
}

export function useCreateFlowRun() {
  return useRunChange((body: CreateFlowRun) =>
    send<CreateFlowRunData, FlowRun>('POST', '/api/flow_runs', { body }),
  )
}

export function useCancelFlowRun() {
  return useRunChange((flowRunId: string) =>
    send<CancelFlowRunData, FlowRun>('POST', '/api/flow_runs/{flow_run_id}/cancel', {
      path: { flow_run_id: flowRunId },
      body: {},
    }),
  )
}

export function useResumeFlowRun() {
  return useRunChange((flowRunId: string) =>
    send<ResumeFlowRunData, FlowRun>('POST', '/api/flow_runs/{flow_run_id}/resume', {
      path: { flow_run_id: flowRunId },
      body: {},
    }),
  )
}

interface FlowChange extends NonNullable<UpdateFlowData['body']> {
  flowId: string
}

/** Settings of a flow that survive new versions: paused, labels, default parameters. */
export function useUpdateFlow() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ flowId, ...body }: FlowChange) =>
      send<UpdateFlowData, Flow>('PATCH', '/api/flows/{flow_id}', { path: { flow_id: flowId }, body }),
    onSuccess: (flow) => {
      client.setQueryData(flowQuery(flow.id).queryKey, flow)
      return client.invalidateQueries({ queryKey: ['flows'] })
    },
  })
}

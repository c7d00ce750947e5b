import { useQueries, useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { versionQuery } from '@/api/flows'
import type { FlowRun, PageTaskRun, State, TaskRun, TaskRunStates } from '@/api/generated'
import { childrenQuery, taskRunQuery, taskRunsQuery } from '@/api/runs'
import { useSearchState } from '@/frame/search'
import { keyOf } from '@/ui/timeline/bars'

/** So many task runs are shown attempt by attempt; more would be as many requests at each change. */
const HISTORIES = 24

/** The graph of the version that the run belongs to. */
export function useStructure(run: FlowRun) {
  return useQuery(versionQuery(run.version_id))
}

export function useTaskRuns(run: FlowRun) {
  return useQuery(taskRunsQuery(run.id))
}

/** The tasks' names by slug. */
export function useNames(run: FlowRun): ReadonlyMap<string, string> {
  const tasks = useStructure(run).data?.structure.tasks
  return useMemo(() => new Map(tasks?.map((task) => [task.slug, task.name])), [tasks])
}

/** The mapped tasks that are unfolded, kept in the address, and their children as far as they have been read. */
export function useUnfolded(run: FlowRun) {
  const [search, setSearch] = useSearchState()
  const unfolded = useMemo(() => new Set(search.open?.split(',').filter(Boolean)), [search.open])
  const children = useQueries({
    queries: [...unfolded].map((slug) => childrenQuery(run.id, slug)),
    combine: childrenBySlug,
  })
  function unfold(slug: string, open: boolean) {
    const others = [...unfolded].filter((known) => known !== slug)
    setSearch({ open: (open ? [...others, slug] : others).join(',') }, 'series')
  }
  return { unfolded, children, unfold }
}

function childrenBySlug(
  results: { data: PageTaskRun | undefined }[],
): ReadonlyMap<string, readonly TaskRun[]> {
  return new Map(
    results.flatMap(({ data }) => (data?.items[0] ? [[data.items[0].slug, data.items] as const] : [])),
  )
}

/** The states of those task runs that were tried more than once, for the timeline to show each attempt. */
export function useHistories(run: FlowRun, runs: readonly TaskRun[]): ReadonlyMap<string, readonly State[]> {
  const tried = runs.filter((task) => task.attempt > 1).slice(0, HISTORIES)
  return useQueries({
    queries: tried.map((task) => taskRunQuery(run.id, task.slug, task.map_index)),
    combine: statesByKey,
  })
}

function statesByKey(results: { data: TaskRunStates | undefined }[]): ReadonlyMap<string, readonly State[]> {
  return new Map(results.flatMap(({ data }) => (data ? [[keyOf(data.task_run), data.states] as const] : [])))
}

/** The selected task run, kept in the address. */
export function useSelected(): [string | undefined, (key: string | undefined) => void] {
  const [search, setSearch] = useSearchState()
  return [search.task, (key) => setSearch({ task: key === search.task ? undefined : key }, 'series')]
}

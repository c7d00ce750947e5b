import { useQueries } from '@tanstack/react-query'
import { CalendarRange } from 'lucide-react'
import { useMemo } from 'react'
import type { FlowRun, TaskRun } from '@/api/generated'
import { taskRunsPageQuery } from '@/api/runs'
import { useSearchState } from '@/frame/search'
import { Faces } from '@/pages/flowRun/Faces'
import { useHistories, useNames, useSelected, useStructure, useTaskRuns } from '@/pages/flowRun/useRun'
import { WithCard } from '@/pages/flowRun/WithCard'
import { Timeline } from '@/ui/timeline/Timeline'

const NONE: readonly TaskRun[] = []

export function TimelineTab({ run }: { run: FlowRun }) {
  const tasks = useTaskRuns(run)
  const structure = useStructure(run)
  const names = useNames(run)
  const [search, setSearch] = useSearchState()
  const [selected, select] = useSelected()
  const runs = useMemo(() => tasks.data?.filter((task) => task.started_at !== null) ?? NONE, [tasks.data])
  const unfolded = useMemo(() => new Set(search.open?.split(',')), [search.open])
  const children = useQueries({
    queries: [...unfolded].map((slug) => taskRunsPageQuery(run.id, slug)),
    combine: (results) =>
      new Map(results.flatMap(({ data }) => (data?.items[0] ? [[data.items[0].slug, data.items] as const] : []))),
  })
  const histories = useHistories(run, useMemo(() => [...runs, ...[...children.values()].flat()], [runs, children]))

  function unfold(slug: string, open: boolean) {
    const others = [...unfolded].filter((known) => known !== slug)
    setSearch({ open: (open ? [...others, slug] : others).join(',') })
  }

  return (
    <Faces
      query={tasks}
      empty={runs.length === 0}
      icon={CalendarRange}
      title="No task has started yet"
      hint="Each task gets a bar here as soon as it starts."
    >
      <WithCard run={run}>
        <Timeline
          runs={runs}
          edges={structure.data?.structure.edges ?? []}
          names={names}
          children={children}
          unfolded={unfolded}
          onUnfold={unfold}
          histories={histories}
          from={run.started_at}
          to={run.finished_at}
          selected={selected}
          onSelect={select}
        />
      </WithCard>
    </Faces>
  )
}

import { CalendarRange } from 'lucide-react'
import { useMemo } from 'react'
import type { FlowRun, TaskRun } from '@/api/generated'
import { Faces } from '@/ui/Faces'
import {
  useHistories,
  useNames,
  useSelected,
  useStructure,
  useTaskRuns,
  useUnfolded,
} from '@/pages/flowRun/useRun'
import { WithCard } from '@/pages/flowRun/WithCard'
import { Timeline } from '@/ui/timeline/Timeline'

const NONE: readonly TaskRun[] = []

/** The tasks that have started, as bars over time. */
export function TimelineTab({ run }: { run: FlowRun }) {
  const tasks = useTaskRuns(run)
  const structure = useStructure(run)
  const names = useNames(run)
  const [selected, select] = useSelected()
  const { unfolded, children, unfold } = useUnfolded(run)
  const runs = useMemo(() => tasks.data?.filter((task) => task.started_at !== null) ?? NONE, [tasks.data])
  const shown = useMemo(() => [...runs, ...[...children.values()].flat()], [runs, children])
  const histories = useHistories(run, shown)
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
          mapped={children}
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

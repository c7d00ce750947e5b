import { useMemo } from 'react'
import type { FlowRun } from '@/api/generated'
import { taskChoice } from '@/pages/flowRun/parts'
import { TaskRunCard } from '@/pages/flowRun/TaskRunCard'
import { useSelected, useTaskRuns } from '@/pages/flowRun/useRun'
import { VersionSchematic } from '@/pages/schematic/VersionSchematic'

/** The flow's graph coloured by what became of each task. */
export function SchematicTab({ run }: { run: FlowRun }) {
  const tasks = useTaskRuns(run)
  const [selected, select] = useSelected()
  const runs = useMemo(() => new Map(tasks.data?.map((task) => [task.slug, task])), [tasks.data])
  const choice = taskChoice(selected)
  return (
    <VersionSchematic
      versionId={run.version_id}
      runs={runs}
      selected={choice?.slug}
      onSelect={select}
      card={() => choice && <TaskRunCard run={run} choice={choice} />}
    />
  )
}

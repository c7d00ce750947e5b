import { useMemo } from 'react'
import { Workflow } from 'lucide-react'
import type { FlowRun } from '@/api/generated'
import { useSearchState } from '@/frame/search'
import { Faces } from '@/pages/flowRun/Faces'
import { taskChoice } from '@/pages/flowRun/parts'
import { TaskRunCard } from '@/pages/flowRun/TaskRunCard'
import { useSelected, useStructure, useTaskRuns } from '@/pages/flowRun/useRun'
import { Schematic } from '@/ui/schematic/Schematic'

/** The flow's graph coloured by what became of each task. */
export function SchematicTab({ run }: { run: FlowRun }) {
  const structure = useStructure(run)
  const tasks = useTaskRuns(run)
  const [search, setSearch] = useSearchState()
  const [selected, select] = useSelected()
  const runs = useMemo(() => new Map(tasks.data?.map((task) => [task.slug, task])), [tasks.data])
  const choice = taskChoice(selected)
  const graph = structure.data?.structure
  return (
    <Faces
      query={structure}
      empty={graph?.tasks.length === 0}
      icon={Workflow}
      title="This flow has no tasks"
      hint="Call a task in the flow's body to see it here."
    >
      {graph && (
        <Schematic
          tasks={graph.tasks}
          edges={graph.edges}
          runs={runs}
          selected={choice?.slug}
          onSelect={select}
          outlined={search.as === 'text'}
          onOutlined={(outlined) => setSearch({ as: outlined ? 'text' : undefined })}
          card={choice !== undefined && <TaskRunCard run={run} choice={choice} />}
        />
      )}
    </Faces>
  )
}

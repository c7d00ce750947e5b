import { useQuery } from '@tanstack/react-query'
import { Workflow } from 'lucide-react'
import { versionQuery } from '@/api/flows'
import type { Flow } from '@/api/generated'
import { useSearchState } from '@/frame/search'
import { TaskCard } from '@/pages/flow/TaskCard'
import { Faces } from '@/pages/flowRun/Faces'
import { Schematic } from '@/ui/schematic/Schematic'

/** The graph of the flow's current version. */
export function FlowSchematic({ flow }: { flow: Flow }) {
  const version = useQuery(versionQuery(flow.current_version_id))
  const [search, setSearch] = useSearchState()
  const graph = version.data?.structure
  const task = graph?.tasks.find(({ slug }) => slug === search.task)
  return (
    <Faces
      query={version}
      empty={graph?.tasks.length === 0}
      icon={Workflow}
      title="This flow has no tasks"
      hint="Call a task in the flow's body to see it here."
    >
      {graph && (
        <Schematic
          tasks={graph.tasks}
          edges={graph.edges}
          selected={search.task}
          onSelect={(slug) => setSearch({ task: slug })}
          outlined={search.as === 'text'}
          onOutlined={(outlined) => setSearch({ as: outlined ? 'text' : undefined })}
          card={
            task && (
              <TaskCard task={task} edges={graph.edges} onClose={() => setSearch({ task: undefined })} />
            )
          }
        />
      )}
    </Faces>
  )
}

import type { Flow } from '@/api/generated'
import { useSearchState } from '@/frame/search'
import { TaskCard } from '@/pages/flow/TaskCard'
import { VersionSchematic } from '@/pages/schematic/VersionSchematic'

/** The graph of the flow's current version. */
export function FlowSchematic({ flow }: { flow: Flow }) {
  const [search, setSearch] = useSearchState()
  const select = (slug: string | undefined) => setSearch({ task: slug }, 'series')
  return (
    <VersionSchematic
      versionId={flow.current_version_id}
      selected={search.task}
      onSelect={select}
      card={({ tasks, edges }) => {
        const task = tasks.find(({ slug }) => slug === search.task)
        return task && <TaskCard task={task} edges={edges} onClose={() => select(undefined)} />
      }}
    />
  )
}

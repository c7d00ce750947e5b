import { useQuery } from '@tanstack/react-query'
import { Workflow } from 'lucide-react'
import type { ReactNode } from 'react'
import { versionQuery } from '@/api/flows'
import type { FlowStructure, TaskRun } from '@/api/generated'
import { useSearchState } from '@/frame/search'
import { Faces } from '@/ui/Faces'
import { Schematic } from '@/ui/schematic/Schematic'

interface VersionSchematicProps {
  versionId: string
  /** The task runs by slug, for the schematic of a run. */
  runs?: ReadonlyMap<string, TaskRun>
  selected: string | undefined
  onSelect: (slug: string | undefined) => void
  /** The card of the selected task. */
  card: (structure: FlowStructure['structure']) => ReactNode
}

/** The graph of a flow's version; whether it is drawn or written is in the address. */
export function VersionSchematic({ versionId, runs, selected, onSelect, card }: VersionSchematicProps) {
  const version = useQuery(versionQuery(versionId))
  const [search, setSearch] = useSearchState()
  const graph = version.data?.structure
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
          {...(runs && { runs })}
          selected={selected}
          onSelect={onSelect}
          outlined={search.as === 'text'}
          onOutlined={(outlined) => setSearch({ as: outlined ? 'text' : undefined }, 'series')}
          card={card(graph)}
        />
      )}
    </Faces>
  )
}

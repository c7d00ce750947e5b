import { List, Maximize, Minus, Plus, Workflow } from 'lucide-react'
import { type KeyboardEvent, type ReactNode, useMemo, useRef, useState } from 'react'
import type { TaskRun } from '@/api/generated'
import { IconButton } from '@/ui/Button'
import { Select } from '@/ui/Field'
import { SearchInput } from '@/ui/SearchInput'
import { Skeleton } from '@/ui/Skeleton'
import { depthOf, FOLD, foldBelow, graphOf, type SchematicEdge, type SchematicTask } from './graph'
import { Legend } from './Legend'
import { Outline } from './Outline'
import { requestOf, sceneOf, search } from './scene'
import { type CanvasHandle, SchematicCanvas } from './SchematicCanvas'
import { layoutKey, useLayout } from './useLayout'

interface SchematicProps {
  tasks: readonly SchematicTask[]
  edges: readonly SchematicEdge[]
  /** The task runs by slug, mapped children left out; without them the picture is uncoloured. */
  runs?: ReadonlyMap<string, TaskRun>
  selected: string | undefined
  onSelect: (slug: string | undefined) => void
  outlined: boolean
  onOutlined: (outlined: boolean) => void
  /** The card of the selected task, shown beside the picture. */
  card?: ReactNode
}

/** From so many levels on, deeper ones can be folded away. */
const FOLDABLE = 4

/** The tasks and edges of a flow, coloured by their states where a run is given. */
export function Schematic(props: SchematicProps) {
  const { tasks, edges, runs, selected, onSelect, outlined, onOutlined, card } = props
  const canvas = useRef<CanvasHandle>(null)
  const [words, setWords] = useState('')
  const [hit, setHit] = useState(0)
  const [shown, setShown] = useState<number>()
  const whole = useMemo(() => graphOf(tasks, edges), [tasks, edges])
  const depth = useMemo(() => depthOf(whole), [whole])
  const graph = useMemo(() => (shown === undefined ? whole : foldBelow(whole, shown)), [whole, shown])
  const request = useMemo(() => requestOf(graph), [graph])
  const key = useMemo(() => layoutKey(request), [request])
  const layout = useLayout(request, key)
  const scene = useMemo(
    () => (layout === undefined ? undefined : sceneOf(graph, layout, runs)),
    [graph, layout, runs],
  )
  const hits = useMemo(() => search(graph.nodes, words), [graph, words])
  const found = useMemo(() => new Set(hits), [hits])
  const number = graph.nodes.findIndex((node) => selected !== undefined && node.members.includes(selected))

  function nextHit(event: KeyboardEvent) {
    if (event.key !== 'Enter' || hits.length === 0) return
    const index = hits[hit % hits.length] ?? 0
    setHit(hit + 1)
    canvas.current?.reveal(index)
    const slug = graph.nodes[index]?.slug
    if (slug !== FOLD) onSelect(slug)
  }

  function pick(slug: string | undefined) {
    if (slug === FOLD) setShown(shown === undefined || shown + 3 >= depth ? undefined : shown + 3)
    else onSelect(slug)
  }

  return (
    <section aria-label="Schematic" className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-2">
        <div onKeyDown={nextHit}>
          <SearchInput
            label="Find a task"
            value={words}
            onChange={(next) => {
              setWords(next)
              setHit(0)
            }}
          />
        </div>
        <p role="status" className="text-sm text-muted">
          {words.trim() === ''
            ? `${tasks.length.toLocaleString()} tasks`
            : `${hits.length.toLocaleString()} of ${tasks.length.toLocaleString()} tasks`}
        </p>
        {depth >= FOLDABLE && (
          <label className="flex items-center gap-2 text-sm text-muted">
            Levels
            <Select
              className="w-auto"
              value={shown ?? 'all'}
              onChange={(event) =>
                setShown(event.target.value === 'all' ? undefined : Number(event.target.value))
              }
            >
              <option value="all">all {depth}</option>
              {levelChoices(depth).map((level) => (
                <option key={level} value={level}>
                  first {level}
                </option>
              ))}
            </Select>
          </label>
        )}
        <div className="ml-auto flex items-center">
          {!outlined && (
            <>
              <IconButton label="Zoom out" icon={Minus} onClick={() => canvas.current?.zoom(0.8)} />
              <IconButton label="Zoom in" icon={Plus} onClick={() => canvas.current?.zoom(1.25)} />
              <IconButton label="Show all" icon={Maximize} onClick={() => canvas.current?.fit()} />
            </>
          )}
          <IconButton
            label={outlined ? 'Show as a picture' : 'Show as text'}
            icon={outlined ? Workflow : List}
            onClick={() => onOutlined(!outlined)}
          />
        </div>
      </div>
      <div className="flex flex-col gap-3 lg:flex-row">
        <div className="h-[max(22rem,calc(100dvh-20rem))] min-w-0 overflow-hidden max-lg:shrink-0 lg:flex-1 rounded-md border border-line bg-surface">
          {outlined ? (
            <Outline
              graph={whole}
              runs={runs}
              only={words.trim() === '' ? undefined : search(whole.nodes, words)}
              selected={selected}
              onPick={onSelect}
            />
          ) : scene === undefined ? (
            <Skeleton className="m-4 h-[calc(100%-2rem)]" />
          ) : (
            <SchematicCanvas
              ref={canvas}
              scene={scene}
              layoutKey={key}
              selected={number < 0 ? undefined : number}
              found={found}
              onPick={(node) => pick(node?.slug)}
              label={`Schematic of ${tasks.length} tasks. Arrow keys follow the edges, Enter opens a task, plus and minus zoom, 0 shows all. The same as text is behind the button Show as text.`}
            />
          )}
        </div>
        {card}
      </div>
      {!outlined && <Legend graph={graph} />}
    </section>
  )
}

/** A few sensible numbers of levels to show. */
function levelChoices(depth: number): number[] {
  return [1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 130].filter((level) => level < depth)
}

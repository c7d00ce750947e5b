import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef } from 'react'
import { classes } from '@/ui/classes'
import { StateIcon } from '@/ui/StateBadge'
import { stateSentence } from './describe'
import { type Graph, levels, neighbours } from './graph'
import { stateOf } from './scene'
import type { TaskRun } from '@/api/generated'
import { KIND_WORDS } from './shapes'

interface OutlineProps {
  graph: Graph
  runs: ReadonlyMap<string, TaskRun> | undefined
  /** The nodes to list, by number; all of them where undefined. */
  only: readonly number[] | undefined
  selected: string | undefined
  onPick: (slug: string) => void
}

/** The schematic as text: each task in order of level, with its state and what it waits for. */
export function Outline({ graph, runs, only, selected, onPick }: OutlineProps) {
  const scroll = useRef<HTMLDivElement>(null)
  const { up, down } = neighbours(graph)
  const level = levels(up, down)
  const inOrder = (only ?? graph.nodes.map((_, index) => index)).toSorted(
    (a, b) => (level[a] ?? 0) - (level[b] ?? 0),
  )
  // The virtualizer keeps its own state, which the compiler's rule does not know.
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: inOrder.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => 44,
    overscan: 6,
    useFlushSync: false,
  })
  return (
    <div ref={scroll} tabIndex={0} role="region" aria-label="Outline" className="h-full overflow-y-auto">
      <ol className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((row) => {
          const index = inOrder[row.index] ?? 0
          const node = graph.nodes[index]
          if (node === undefined) return null
          const state = stateOf(node, runs)
          const upstream = (up[index] ?? []).flatMap((other) => graph.nodes[other]?.name ?? [])
          return (
            <li
              key={row.key}
              aria-setsize={inOrder.length}
              aria-posinset={row.index + 1}
              className="absolute inset-x-0 top-0 h-11 contain-strict"
              style={{ transform: `translateY(${row.start}px)` }}
            >
              <button
                type="button"
                aria-pressed={node.slug === selected}
                onClick={() => onPick(node.slug)}
                className={classes(
                  'flex h-11 w-full items-center gap-2 border-b border-line px-3 text-left -outline-offset-2 hover:bg-raised',
                  node.slug === selected && 'bg-accent-soft',
                )}
              >
                <span className="tabular w-8 shrink-0 font-mono text-xs text-muted">
                  {(level[index] ?? 0) + 1}
                </span>
                {state.type !== undefined && <StateIcon type={state.type} />}
                <span className="min-w-0 flex-1">
                  <span className="block truncate">
                    {node.name} <span className="text-muted">· {KIND_WORDS[node.kind]}</span>
                  </span>
                  <span className="block truncate text-sm text-muted">
                    {[stateSentence(state), upstream.length > 0 ? `after ${upstream.join(', ')}` : '']
                      .filter(Boolean)
                      .join(' · ')}
                  </span>
                </span>
              </button>
            </li>
          )
        })}
      </ol>
    </div>
  )
}

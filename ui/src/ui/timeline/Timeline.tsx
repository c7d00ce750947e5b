import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef } from 'react'
import type { EdgeSpec, State, TaskRun } from '@/api/generated'
import { useNow } from '@/ui/useNow'
import { Axis } from './Axis'
import { type Bar, barsOf, spanOf } from './bars'
import { BarRow } from './BarRow'
import { TimelineLegend } from './TimelineLegend'

interface TimelineProps {
  runs: readonly TaskRun[]
  edges: readonly EdgeSpec[]
  /** The tasks' names by slug. */
  names: ReadonlyMap<string, string>
  /** Children of mapped tasks as far as they have been read, by slug. */
  mapped: ReadonlyMap<string, readonly TaskRun[]>
  unfolded: ReadonlySet<string>
  onUnfold: (slug: string, unfolded: boolean) => void
  /** The states of task runs that were tried more than once, by key. */
  histories: ReadonlyMap<string, readonly State[]>
  /** When the flow run started and ended. */
  from: string | null
  to: string | null
  selected: string | undefined
  onSelect: (key: string) => void
}

const ROW = 32

/** Tasks as bars over time. Rows that are not seen are not there, so that thousands cost nothing. */
export function Timeline(props: TimelineProps) {
  const { runs, edges, names, mapped, unfolded, onUnfold, histories, from, to, selected, onSelect } = props
  const now = useNow(to === null)
  const scroll = useRef<HTMLDivElement>(null)
  const bars = useMemo(
    () => barsOf({ runs, edges, names, children: mapped, histories, now }),
    [runs, edges, names, mapped, histories, now],
  )
  const span = useMemo(() => spanOf(runs, { from, to }, now), [runs, from, to, now])
  // The virtualizer keeps its own state, which the compiler's rule does not know.
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: bars.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW,
    overscan: 6,
    useFlushSync: false,
  })
  const folding = (bar: Bar) =>
    bar.depth === 0 && Object.keys(bar.run.children).length > 0
      ? { open: unfolded.has(bar.run.slug), toggle: (open: boolean) => onUnfold(bar.run.slug, open) }
      : undefined

  return (
    <div className="flex flex-col gap-2">
      <div
        ref={scroll}
        role="region"
        aria-label="Timeline"
        tabIndex={0}
        className="max-h-[max(22rem,calc(100dvh-20rem))] overflow-y-auto rounded-md border border-line bg-surface contain-content"
      >
        <Axis span={span} />
        <ol className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((row) => {
            const bar = bars[row.index]
            return (
              bar && (
                <li
                  key={bar.key}
                  aria-setsize={bars.length}
                  aria-posinset={row.index + 1}
                  className="absolute inset-x-0 top-0 h-8 contain-strict"
                  style={{ transform: `translateY(${row.start}px)` }}
                >
                  <BarRow
                    bar={bar}
                    span={span}
                    now={now}
                    selected={bar.key === selected}
                    onSelect={() => onSelect(bar.key)}
                    folding={folding(bar)}
                  />
                </li>
              )
            )
          })}
        </ol>
      </div>
      <TimelineLegend />
    </div>
  )
}

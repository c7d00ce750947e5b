import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, useEffect, useRef, useSyncExternalStore } from 'react'
import { LogRow } from './LogRow'
import type { LogWindow } from './window'

interface LogLinesProps {
  lines: LogWindow
  /** The last line first. */
  newestFirst: boolean
  wrap: boolean
  /** Keeps the newest line in sight; scrolling away from it ends that. */
  follow: boolean
  onFollow: (follow: boolean) => void
  /** The line that the address names. */
  marked: number | undefined
  hrefOf: (number: number) => string
  onMark: (number: number) => void
}

/** As high as a target that can be touched: each line's number is a link. */
const ROW = 24

/** The lines themselves. Only those in sight are in the page, and only pages that were looked at are read. */
export function LogLines(props: LogLinesProps) {
  const { lines, newestFirst, wrap, follow, onFollow, marked, hrefOf, onMark } = props
  const scroll = useRef<HTMLDivElement>(null)
  const version = useSyncExternalStore(lines.subscribe, () => lines.version)
  const total = lines.total
  const place = (index: number) => (newestFirst ? total - 1 - index : index)
  // The virtualizer keeps its own state, which the compiler's rule does not know.
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: total,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW,
    overscan: 10,
    useFlushSync: false,
  })
  const rows = virtual.getVirtualItems()
  const first = rows[0]?.index ?? 0
  const last = rows.at(-1)?.index ?? -1

  useEffect(() => {
    if (last < first) return
    const [one, other] = newestFirst ? [total - 1 - last, total - 1 - first] : [first, last]
    void lines.need(one, other)
  }, [lines, first, last, total, newestFirst, version])

  useEffect(() => {
    if (follow && total > 0) virtual.scrollToIndex(newestFirst ? 0 : total - 1, { align: 'end' })
  }, [follow, total, newestFirst, virtual])

  useEffect(() => {
    if (marked === undefined) return
    let wanted = true
    void lines.find(marked).then((found) => {
      if (!wanted || found === undefined) return
      virtual.scrollToIndex(newestFirst ? lines.total - 1 - found : found, { align: 'center' })
    })
    return () => {
      wanted = false
    }
    // A line is scrolled to once, when the address names it, not whenever lines arrive.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [marked, lines])

  function leave() {
    if (follow) onFollow(false)
  }

  function onKeyDown(event: KeyboardEvent) {
    if (['ArrowUp', 'PageUp', 'Home'].includes(event.key)) leave()
    if (event.key === 'End') virtual.scrollToIndex(total - 1)
    if (event.key === 'Home') virtual.scrollToIndex(0)
    if (event.key === 'End' || event.key === 'Home') event.preventDefault()
  }

  return (
    <div
      ref={scroll}
      role="log"
      aria-label="Log lines"
      aria-live="off"
      tabIndex={0}
      onKeyDown={onKeyDown}
      onWheel={(event) => (event.deltaY < 0 === newestFirst ? undefined : leave())}
      onTouchMove={leave}
      className="h-[max(20rem,calc(100dvh-21rem))] overflow-auto rounded-md border border-line bg-surface font-mono text-sm leading-6 contain-strict [overflow-anchor:none]"
    >
      <div
        className={wrap ? 'relative' : 'relative w-max min-w-full'}
        style={{ height: virtual.getTotalSize() }}
      >
        <div className="w-full" style={{ transform: `translateY(${rows[0]?.start ?? 0}px)` }}>
          {rows.map((row) => {
            const line = lines.at(place(row.index))
            return (
              <LogRow
                key={row.key}
                ref={virtual.measureElement}
                index={row.index}
                line={line}
                wrap={wrap}
                marked={line !== undefined && line.number === marked}
                href={line === undefined ? '' : hrefOf(line.number)}
                onMark={onMark}
              />
            )
          })}
        </div>
      </div>
    </div>
  )
}

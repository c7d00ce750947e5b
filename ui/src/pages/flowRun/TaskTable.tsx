import { useVirtualizer } from '@tanstack/react-virtual'
import { ChevronDown, ChevronRight } from 'lucide-react'
import { useRef } from 'react'
import type { TaskRun } from '@/api/generated'
import { classes } from '@/ui/classes'
import { StateBadge } from '@/ui/StateBadge'
import { StateBar } from '@/ui/StateBar'
import { Duration, Time } from '@/ui/Time'
import { keyOf } from '@/ui/timeline/bars'

/** A line of the table. `hidden` counts the children that are not listed below a mapped task. */
interface TaskRow {
  key: string
  run: TaskRun
  name: string
  child: boolean
  open: boolean | undefined
  hidden: number
}

export function rowsOf(
  runs: readonly TaskRun[],
  names: ReadonlyMap<string, string>,
  unfolded: ReadonlySet<string>,
  children: ReadonlyMap<string, readonly TaskRun[]>,
): TaskRow[] {
  return runs.flatMap((run) => {
    const count = Object.values(run.children).reduce((sum, part) => sum + part, 0)
    const open = unfolded.has(run.slug)
    const listed = open ? (children.get(run.slug) ?? []) : []
    const name = names.get(run.slug) ?? run.slug
    const hidden = listed.length > 0 ? Math.max(0, count - listed.length) : 0
    return [
      { key: run.slug, run, name, child: false, open: count > 0 ? open : undefined, hidden },
      ...listed.map((child) => ({
        key: keyOf(child),
        run: child,
        name: `[${child.map_index}]`,
        child: true,
        open: undefined,
        hidden: 0,
      })),
    ]
  })
}

interface TaskTableProps {
  rows: readonly TaskRow[]
  onUnfold: (slug: string, open: boolean) => void
  selected: string | undefined
  onSelect: (key: string) => void
}

const ROW = 40
const HEAD = 'h-9 px-3 text-sm font-medium whitespace-nowrap text-muted'

/** Only the lines in sight are in the page. */
export function TaskTable({ rows, onUnfold, selected, onSelect }: TaskTableProps) {
  const scroll = useRef<HTMLDivElement>(null)
  // The virtualizer keeps its own state, which the compiler's rule does not know.
  // eslint-disable-next-line react-hooks/incompatible-library
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW,
    overscan: 6,
    useFlushSync: false,
  })
  const shown = virtual.getVirtualItems()
  const above = shown[0]?.start ?? 0
  const below = virtual.getTotalSize() - (shown.at(-1)?.end ?? 0)
  return (
    <div
      ref={scroll}
      tabIndex={0}
      role="region"
      aria-label="Task runs"
      className="max-h-[max(22rem,calc(100dvh-20rem))] overflow-auto rounded-md border border-line bg-surface contain-content"
    >
      <table aria-rowcount={rows.length + 1} className="w-full table-fixed border-collapse text-left">
        <thead className="sticky top-0 z-10 bg-surface shadow-[0_1px_0_var(--color-line)]">
          <tr>
            <th scope="col" className={HEAD}>
              Task
            </th>
            <th scope="col" className={classes(HEAD, 'w-36')}>
              State
            </th>
            <th scope="col" className={classes(HEAD, 'w-20 text-right max-sm:hidden')}>
              Attempt
            </th>
            <th scope="col" className={classes(HEAD, 'w-36 max-md:hidden')}>
              Started
            </th>
            <th scope="col" className={classes(HEAD, 'w-24 text-right max-sm:hidden')}>
              Took
            </th>
            <th scope="col" className={classes(HEAD, 'max-md:hidden')}>
              Says
            </th>
          </tr>
        </thead>
        <tbody>
          {above > 0 && <Space height={above} />}
          {shown.map((item) => {
            const row = rows[item.index]
            return (
              row && (
                <Line
                  key={row.key}
                  row={row}
                  index={item.index}
                  selected={row.key === selected}
                  onSelect={() => onSelect(row.key)}
                  onUnfold={(open) => onUnfold(row.run.slug, open)}
                />
              )
            )
          })}
          {below > 0 && <Space height={below} />}
        </tbody>
      </table>
    </div>
  )
}

function Space({ height }: { height: number }) {
  return (
    <tr aria-hidden>
      <td style={{ height }} />
    </tr>
  )
}

interface LineProps {
  row: TaskRow
  index: number
  selected: boolean
  onSelect: () => void
  onUnfold: (open: boolean) => void
}

function Line({ row: { run, name, child, open, hidden }, index, selected, onSelect, onUnfold }: LineProps) {
  const mapped = Object.keys(run.children).length > 0
  return (
    <tr
      aria-rowindex={index + 2}
      className={classes('h-10 border-b border-line', selected ? 'bg-accent-soft' : 'hover:bg-raised')}
    >
      <td className={classes('px-1', child && 'pl-14')}>
        <span className="flex items-center">
          {open === undefined ? (
            !child && <span className="w-8 shrink-0" />
          ) : (
            <button
              type="button"
              aria-expanded={open}
              aria-label={`Children of ${name}`}
              onClick={() => onUnfold(!open)}
              className="flex size-8 shrink-0 items-center justify-center text-muted hover:text-ink"
            >
              {open ? <ChevronDown aria-hidden size={16} /> : <ChevronRight aria-hidden size={16} />}
            </button>
          )}
          <button
            type="button"
            aria-pressed={selected}
            title={run.slug}
            onClick={onSelect}
            className={classes(
              'min-w-0 truncate py-1.5 text-left hover:underline',
              child && 'font-mono text-sm',
            )}
          >
            {name}
          </button>
        </span>
      </td>
      <td className="px-3">
        <StateBadge state={run.state} />
      </td>
      <td className="tabular px-3 text-right max-sm:hidden">{run.attempt}</td>
      <td className="truncate px-3 max-md:hidden">
        <Time at={run.started_at} />
      </td>
      <td className="px-3 text-right max-sm:hidden">
        <Duration
          from={run.started_at}
          until={run.finished_at ?? (run.started_at === null ? null : endOf(run))}
        />
      </td>
      <td className="px-3 max-md:hidden">
        {mapped ? (
          <StateBar
            states={run.children}
            noun={hidden > 0 ? `children, ${hidden} of them not listed` : 'children'}
          />
        ) : (
          <span className="block truncate text-sm text-muted" title={run.state.message}>
            {run.state.message}
          </span>
        )}
      </td>
    </tr>
  )
}

/** A task run that waits for its next attempt does not count on. */
function endOf(run: TaskRun): string | null {
  return run.state.type === 'Running' ? null : run.state.at
}

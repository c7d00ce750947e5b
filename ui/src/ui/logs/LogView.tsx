import { ScrollText } from 'lucide-react'
import { useSyncExternalStore } from 'react'
import { Button } from '@/ui/Button'
import { EmptyState, ErrorState } from '@/ui/EmptyState'
import { SkeletonRows } from '@/ui/Skeleton'
import { LogLines } from './LogLines'
import { type LogFilter, LogToolbar } from './LogToolbar'
import type { LogWindow } from './window'

interface LogViewProps extends React.ComponentProps<typeof LogToolbar> {
  /** Undefined while it is not known how many lines there are. */
  lines: LogWindow | undefined
  /** Names the list: with another filter it starts anew. */
  linesKey: string
  error: Error | null
  retry: () => void
  marked: number | undefined
  hrefOf: (number: number) => string
  onMark: (number: number) => void
  /** Lines that were written since and have no known place in this order. */
  behind: number
  onRenew: () => void
}

/** A log of any length: filters above, lines below. */
export function LogView(props: LogViewProps) {
  const { lines, linesKey, error, retry, marked, hrefOf, onMark, behind, onRenew, ...toolbar } = props
  const { filter, onFilter, follow, onFollow, wrap } = toolbar
  return (
    <section aria-label="Log" className="flex flex-col gap-2">
      <LogToolbar {...toolbar} />
      {behind > 0 && (
        <p role="status" className="flex items-center gap-2 text-sm text-muted">
          {behind.toLocaleString()} more lines have been written.
          <Button onClick={onRenew}>Show them</Button>
        </p>
      )}
      {error !== null ? (
        <ErrorState error={error} retry={retry} />
      ) : lines === undefined ? (
        <SkeletonRows rows={12} />
      ) : (
        <Body
          key={linesKey}
          lines={lines}
          filter={filter}
          onFilter={onFilter}
          running={follow !== undefined}
          newestFirst={filter.sort === '-time'}
          wrap={wrap}
          follow={follow === true && filter.sort.endsWith('time')}
          onFollow={onFollow}
          marked={marked}
          hrefOf={hrefOf}
          onMark={onMark}
        />
      )}
    </section>
  )
}

interface BodyProps extends React.ComponentProps<typeof LogLines> {
  filter: LogFilter
  onFilter: (change: Partial<LogFilter>) => void
  running: boolean
}

function Body({ filter, onFilter, running, ...rest }: BodyProps) {
  const { lines } = rest
  useSyncExternalStore(lines.subscribe, () => lines.version)
  const { level, task, search, since, until } = filter
  const filtered = level > 0 || [task, search, since, until].some((value) => value !== '')
  if (lines.error !== undefined) {
    const error = lines.error instanceof Error ? lines.error : new Error('The lines could not be read.')
    return <ErrorState error={error} retry={() => void lines.retry()} />
  }
  if (lines.total > 0) return <LogLines {...rest} />
  return filtered ? (
    <EmptyState
      icon={ScrollText}
      title="No line matches"
      action={
        <Button onClick={() => onFilter({ level: 0, task: '', search: '', since: '', until: '' })}>
          Show all lines
        </Button>
      }
    >
      The filters above leave none of the lines.
    </EmptyState>
  ) : (
    <EmptyState icon={ScrollText} title={running ? 'No lines yet' : 'This run wrote no log'}>
      {running
        ? 'They appear here as they are written.'
        : 'Use logging.getLogger(…) in a task, or log_prints=True to keep what is printed.'}
    </EmptyState>
  )
}

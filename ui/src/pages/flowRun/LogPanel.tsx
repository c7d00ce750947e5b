import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { logCountQuery, logDownloads, logPage, type LogQuery } from '@/api/logs'
import { type Search, stringifySearch, useSearchState } from '@/frame/search'
import { type LogFilter, NO_FILTER } from '@/ui/logs/LogToolbar'
import { LogView } from '@/ui/logs/LogView'
import { LogWindow } from '@/ui/logs/window'

interface LogPanelProps {
  flowRunId: string
  finished: boolean
  tasks: readonly { slug: string; name: string }[]
}

const SORTS: readonly string[] = ['time', '-time', 'level', '-level'] satisfies LogFilter['sort'][]

/** The filter as the address has it. */
function filterOf(search: Search): LogFilter {
  const sort = SORTS.includes(search.sort ?? '') ? (search.sort as LogFilter['sort']) : 'time'
  return {
    level: Number(search.level ?? 0) || 0,
    task: search.of ?? '',
    search: search.find ?? '',
    since: search.since ?? '',
    until: search.until ?? '',
    sort,
  }
}

const isDefault = (name: keyof LogFilter, value: unknown) => value === NO_FILTER[name]

/** A change of the filter as a change of the address. Another filter has other lines, so no line is marked. */
function addressOf(change: Partial<LogFilter>): Search {
  const patch: Search = { line: undefined }
  const names = {
    level: 'level',
    task: 'of',
    search: 'find',
    since: 'since',
    until: 'until',
    sort: 'sort',
  } as const
  for (const name of Object.keys(change) as (keyof LogFilter)[])
    patch[names[name]] = isDefault(name, change[name]) ? undefined : String(change[name])
  return patch
}

/** Whether the change comes letter by letter, or digit by digit. */
function isTyped(change: Partial<LogFilter>): boolean {
  const names = Object.keys(change)
  return names.length === 1 && /^(search|since|until)$/.test(names[0] ?? '')
}

/** A run's log: what is shown, and how, is in the address. */
export function LogPanel({ flowRunId, finished, tasks }: LogPanelProps) {
  const [search, setSearch] = useSearchState()
  const filter = filterOf(search)
  const query: LogQuery = {
    task: filter.task || null,
    search: filter.search || null,
    since: filter.since || null,
    until: filter.until || null,
  }
  const shown = { ...query, level: filter.level }
  const count = useQuery(logCountQuery(flowRunId, shown))
  const levels = useQuery(logCountQuery(flowRunId, { ...query, level: 0 })).data?.levels ?? {}
  const [renewed, setRenewed] = useState(0)
  const key = JSON.stringify([flowRunId, shown, filter.sort, renewed])
  const lines = useLines(key, flowRunId, shown, filter.sort, count.data?.total)
  const [follow, setFollow] = useState(search.line === undefined)
  const total = count.data?.total ?? 0
  const byLevel = filter.sort.endsWith('level')

  return (
    <LogView
      filter={filter}
      onFilter={(change) => setSearch(addressOf(change), isTyped(change) ? 'series' : 'step')}
      levels={levels}
      tasks={tasks}
      downloads={logDownloads(flowRunId, shown)}
      wrap={search.wrap !== 'no'}
      onWrap={(wrap) => setSearch({ wrap: wrap ? undefined : 'no' }, 'series')}
      follow={finished || byLevel ? undefined : follow}
      onFollow={setFollow}
      lines={lines}
      linesKey={key}
      error={count.error}
      retry={() => void count.refetch()}
      marked={search.line === undefined ? undefined : Number(search.line)}
      hrefOf={(number) => stringifySearch({ ...search, line: String(number) })}
      onMark={(number) => {
        setFollow(false)
        setSearch({ line: String(number) }, 'series')
      }}
      behind={byLevel && lines !== undefined ? Math.max(0, total - lines.total) : 0}
      onRenew={() => setRenewed(renewed + 1)}
    />
  )
}

/** The window on the lines that a key names; it grows with the count. */
function useLines(
  key: string,
  flowRunId: string,
  query: LogQuery,
  sort: LogFilter['sort'],
  total: number | undefined,
) {
  const [made, setMade] = useState<{ key: string; lines: LogWindow }>()
  const known = made?.key === key ? made.lines : undefined
  if (known === undefined && total !== undefined) {
    const byTime = sort.endsWith('time')
    const order = { forward: byTime ? 'time' : sort, backward: '-time' } as const
    const read = (direction: 'forward' | 'backward', after: string | undefined) =>
      logPage(flowRunId, query, order[direction], after)
    setMade({ key, lines: new LogWindow(read, total, byTime) })
  }
  useEffect(() => {
    if (known !== undefined && total !== undefined) void known.grow(total)
  }, [known, total])
  return known
}

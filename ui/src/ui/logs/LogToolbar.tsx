import { Download } from 'lucide-react'
import { useState } from 'react'
import { buttonClass } from '@/ui/Button'
import { Checkbox, Select, Switch, TextInput } from '@/ui/Field'
import { fromLocal, toLocal } from '@/ui/localTimes'
import { SearchInput } from '@/ui/SearchInput'
import { countFrom, LEVELS } from './levels'

/** Which lines are shown and how. */
export interface LogFilter {
  level: number
  task: string
  search: string
  since: string
  until: string
  sort: 'time' | '-time' | 'level' | '-level'
}

export const NO_FILTER: LogFilter = { level: 0, task: '', search: '', since: '', until: '', sort: 'time' }

interface LogToolbarProps {
  filter: LogFilter
  onFilter: (change: Partial<LogFilter>) => void
  /** Counts by level of all that the rest of the filter finds. */
  levels: Record<string, number>
  /** The tasks to choose from; none where the log is of one task. */
  tasks: readonly { slug: string; name: string }[]
  downloads: readonly { label: string; href: string }[]
  wrap: boolean
  onWrap: (wrap: boolean) => void
  /** Undefined where there is nothing to follow: the run has finished. */
  follow: boolean | undefined
  onFollow: (follow: boolean) => void
}

export function LogToolbar(props: LogToolbarProps) {
  const { filter, onFilter, levels, tasks, downloads, wrap, onWrap, follow, onFollow } = props
  return (
    <div className="flex flex-wrap items-center gap-2">
      <SearchInput
        label="Search the messages"
        value={filter.search}
        onChange={(search) => onFilter({ search })}
      />
      <Select
        aria-label="Lowest level"
        className="w-auto max-sm:min-w-28 max-sm:flex-1"
        value={filter.level}
        onChange={(event) => onFilter({ level: Number(event.target.value) })}
      >
        {LEVELS.map(({ value, name }) => (
          <option key={value} value={value}>
            {value === 0 ? name : `${name} and up`} ({countFrom(levels, value).toLocaleString()})
          </option>
        ))}
      </Select>
      {tasks.length > 0 && (
        <Select
          aria-label="Task"
          className="w-auto max-w-48 max-sm:min-w-28 max-sm:flex-1"
          value={filter.task}
          onChange={(event) => onFilter({ task: event.target.value })}
        >
          <option value="">All tasks</option>
          {tasks.map(({ slug, name }) => (
            <option key={slug} value={slug}>
              {name === slug ? name : `${name} (${slug})`}
            </option>
          ))}
        </Select>
      )}
      <Select
        aria-label="Order"
        className="w-auto max-sm:min-w-28 max-sm:flex-1"
        value={filter.sort}
        onChange={(event) => onFilter({ sort: event.target.value as LogFilter['sort'] })}
      >
        <option value="time">Oldest first</option>
        <option value="-time">Newest first</option>
        <option value="-level">Most severe first</option>
        <option value="level">Least severe first</option>
      </Select>
      <TimeRange filter={filter} onFilter={onFilter} />
      <div className="ml-auto flex flex-wrap items-center gap-3">
        {follow !== undefined && (
          <Switch label="Follow" checked={follow} onChange={(event) => onFollow(event.target.checked)} />
        )}
        <Checkbox label="Wrap" checked={wrap} onChange={(event) => onWrap(event.target.checked)} />
        <span role="group" aria-label="Download" className="flex items-center gap-1">
          <Download aria-hidden size={14} className="text-muted" />
          {downloads.map(({ label, href }) => (
            <a key={label} href={href} download className={buttonClass('quiet', 'px-1.5 text-sm')}>
              {label}
            </a>
          ))}
        </span>
      </div>
    </div>
  )
}

/** From and until, behind one word while they are not used. */
function TimeRange({ filter, onFilter }: Pick<LogToolbarProps, 'filter' | 'onFilter'>) {
  const [open, setOpen] = useState(filter.since !== '' || filter.until !== '')
  const used = filter.since !== '' || filter.until !== ''
  if (!open)
    return (
      <button type="button" className={buttonClass('quiet', 'px-2')} onClick={() => setOpen(true)}>
        Time range
      </button>
    )
  const field = (name: 'since' | 'until', label: string) => (
    <label className="flex items-center gap-1.5 text-sm text-muted">
      {label}
      <TextInput
        type="datetime-local"
        step={1}
        className="w-52 text-ink"
        value={toLocal(filter[name])}
        onChange={(event) => onFilter({ [name]: fromLocal(event.target.value) ?? '' })}
      />
    </label>
  )
  return (
    <span className="flex flex-wrap items-center gap-2">
      {field('since', 'From')}
      {field('until', 'Until')}
      <button
        type="button"
        className={buttonClass('quiet', 'px-2')}
        onClick={() => {
          setOpen(false)
          if (used) onFilter({ since: '', until: '' })
        }}
      >
        Any time
      </button>
    </span>
  )
}

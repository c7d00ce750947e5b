import { memo, type MouseEvent, type Ref } from 'react'
import type { LogLine } from '@/api/generated'
import { classes } from '@/ui/classes'
import { clockTime } from '@/ui/localTimes'
import { exactTime } from '@/ui/times'
import { ansi, visible } from './ansi'
import { levelClass, levelName } from './levels'
import { placeIn } from './window'

interface LogRowProps {
  ref: Ref<HTMLDivElement>
  index: number
  line: LogLine | undefined
  wrap: boolean
  marked: boolean
  href: string
  onMark: (number: number) => void
}

// Made once: a new one for each line would cost more than the line.
const counted = new Intl.NumberFormat()

/** One record: its number (a link to it), time, level, task and message. */
export const LogRow = memo(function LogRow({ ref, index, line, wrap, marked, href, onMark }: LogRowProps) {
  if (line === undefined)
    return (
      <div ref={ref} data-index={index} className="h-6 px-2">
        <div className="mt-1.5 inline-block h-3 w-72 max-w-full rounded-sm bg-raised" />
      </div>
    )

  function mark(event: MouseEvent) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    if (line !== undefined) onMark(line.number)
  }

  // Writing out a date costs more than all the rest of a line: only where somebody points.
  function sayWhen(event: MouseEvent<HTMLElement>) {
    if (line !== undefined) event.currentTarget.title = exactTime(line.at)
  }

  const said = counted.format(placeIn(line.number) + 1)
  const number = line.attempt > 1 ? `${line.attempt}·${said}` : said
  const task = line.task === null ? '' : line.map_index < 0 ? line.task : `${line.task}[${line.map_index}]`
  return (
    <div
      ref={ref}
      data-index={index}
      className={classes('flex min-h-6 gap-3 px-2', marked ? 'bg-accent-soft' : 'hover:bg-raised')}
    >
      <a
        href={href}
        onClick={mark}
        aria-label={line.attempt > 1 ? `Line ${said} of attempt ${line.attempt}` : `Line ${said}`}
        className="tabular min-w-12 shrink-0 text-right text-muted select-none hover:text-accent hover:underline"
      >
        {number}
      </a>
      <time dateTime={line.at} onMouseEnter={sayWhen} className="shrink-0 text-muted max-sm:hidden">
        {clockTime(line.at)}
      </time>
      <span className={classes('w-16 shrink-0 font-medium', levelClass(line.level))}>
        {levelName(line.level)}
      </span>
      {task !== '' && (
        <span
          title={`${line.logger}, attempt ${line.attempt}`}
          className="max-w-44 shrink-0 truncate text-accent max-md:hidden"
        >
          {visible(task)}
        </span>
      )}
      <span className={wrap ? 'min-w-0 flex-1 wrap-anywhere whitespace-pre-wrap' : 'whitespace-pre'}>
        {ansi(line.message)}
      </span>
    </div>
  )
})

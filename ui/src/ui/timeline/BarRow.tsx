import { ChevronDown, ChevronRight, Waypoints } from 'lucide-react'
import { classes } from '@/ui/classes'
import { StateIcon } from '@/ui/StateBadge'
import { STATE_TYPES, stateWords } from '@/ui/states'
import { exactTime, formatSeconds, secondsBetween } from '@/ui/times'
import { NAMES } from './Axis'
import type { Bar, Segment } from './bars'
import { position, type Span } from './scale'

interface BarRowProps {
  bar: Bar
  span: Span
  now: number
  selected: boolean
  onSelect: () => void
  folding: { open: boolean; toggle: (open: boolean) => void } | undefined
}

/** One line: the name, and where its attempts lie in time. */
export function BarRow({ bar, span, now, selected, onSelect, folding }: BarRowProps) {
  const { run, name, depth, critical, segments } = bar
  const took =
    run.started_at === null ? '' : formatSeconds(secondsBetween(run.started_at, run.finished_at, now))
  const end = segments.reduce((last, segment) => Math.max(last, position(segment.to, span)), 0)
  return (
    <div className={classes('flex h-8 items-center', selected ? 'bg-accent-soft' : 'hover:bg-raised')}>
      <div className={classes(NAMES, 'flex items-center gap-1 pr-2', depth === 1 ? 'pl-8' : 'pl-1')}>
        {folding === undefined ? (
          depth === 0 && <span className="w-6 shrink-0" />
        ) : (
          <button
            type="button"
            aria-expanded={folding.open}
            aria-label={`Children of ${name}`}
            onClick={() => folding.toggle(!folding.open)}
            className="flex size-6 shrink-0 items-center justify-center text-muted hover:text-ink"
          >
            {folding.open ? <ChevronDown aria-hidden size={14} /> : <ChevronRight aria-hidden size={14} />}
          </button>
        )}
        <StateIcon type={run.state.type} />
        <span className={classes('min-w-0 truncate text-sm', depth === 1 && 'font-mono')} title={name}>
          {name}
        </span>
        {critical && <Waypoints aria-hidden size={12} className="shrink-0 text-accent" />}
      </div>
      <button
        type="button"
        aria-pressed={selected}
        onClick={onSelect}
        aria-label={sentence(bar, took)}
        className="relative mr-16 h-8 min-w-0 flex-1 -outline-offset-2"
      >
        {critical && segments.length > 0 && <CriticalLine segments={segments} span={span} />}
        {segments.map((segment) => (
          <SegmentBox key={`${segment.kind} ${segment.from}`} segment={segment} span={span} />
        ))}
        {depth === 0 && folding !== undefined && <Children bar={bar} span={span} />}
        {took !== '' && (
          <span
            className="tabular absolute top-2 pl-1.5 text-xs whitespace-nowrap text-muted"
            style={{ left: `${end * 100}%` }}
          >
            {took}
          </span>
        )}
      </button>
    </div>
  )
}

function sentence({ run, name, critical }: Bar, took: string): string {
  const tries = run.attempt > 1 ? `, ${run.attempt} attempts` : ''
  const time = took === '' ? ', not started' : `, ${took}`
  return `${name}: ${stateWords(run.state.name)}${time}${tries}${critical ? ', on the critical path' : ''}`
}

function placed(segment: Span, span: Span) {
  const left = position(segment.from, span)
  const width = Math.max(0, position(segment.to, span) - left)
  return { left: `${left * 100}%`, width: `max(3px, ${width * 100}%)` }
}

/** The number is drawn, not text: the button that holds it says it in words. */
const ATTEMPT =
  'top-2 h-4 overflow-hidden rounded-sm bg-state pl-1 text-left text-xs leading-4 font-medium text-paper before:content-[attr(data-attempt)]'

function SegmentBox({ segment, span }: { segment: Segment; span: Span }) {
  const { kind, type, name, attempt, from, to } = segment
  const length = formatSeconds((to - from) / 1000)
  const what = `${kind === 'wait' ? 'waits' : `attempt ${attempt}`}: ${stateWords(name)}, ${length}`
  return (
    <span
      onMouseEnter={(event) => {
        event.currentTarget.title = `${what}, from ${exactTime(new Date(from).toISOString())}`
      }}
      data-state-type={type}
      data-attempt={attempt > 1 ? attempt : ''}
      className={classes(
        'absolute',
        kind === 'wait' ? 'top-[15px] h-0.5 border-t-2 border-dotted border-state' : ATTEMPT,
      )}
      style={placed(segment, span)}
    />
  )
}

/** Over a mapped task's bar: how many of its children are in which state. */
function Children({ bar, span }: { bar: Bar; span: Span }) {
  const [segment] = bar.segments
  const total = Object.values(bar.run.children).reduce((sum, count) => sum + count, 0)
  if (segment === undefined || total === 0) return null
  return (
    <span
      className="absolute top-2 flex h-4 overflow-hidden rounded-sm bg-raised"
      style={placed(segment, span)}
    >
      {STATE_TYPES.map((type) => {
        const count = bar.run.children[type] ?? 0
        return (
          count > 0 && (
            <span
              key={type}
              data-state-type={type}
              title={`${count.toLocaleString()} ${type.toLowerCase()}`}
              className="bg-state not-last:border-r not-last:border-surface"
              style={{ width: `${(count / total) * 100}%` }}
            />
          )
        )
      })}
    </span>
  )
}

function CriticalLine({ segments, span }: { segments: readonly Segment[]; span: Span }) {
  const from = segments.reduce((first, segment) => Math.min(first, segment.from), Infinity)
  const to = segments.reduce((last, segment) => Math.max(last, segment.to), -Infinity)
  return <span className="absolute bottom-0.5 h-0.5 bg-accent" style={placed({ from, to }, span)} />
}

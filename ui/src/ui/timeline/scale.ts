/** A span of time, in milliseconds since 1970. */
export interface Span {
  from: number
  to: number
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((count) => count * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 6, 12].map((count) => count * HOUR),
  ...[1, 2, 7, 14, 28].map((count) => count * DAY),
]

/** A mark of the axis: where it is (0 to 1) and what it says, counted from the start of the span. */
export interface Tick {
  at: number
  label: string
}

/** At most `most` marks at round distances from the start. */
export function ticks({ from, to }: Span, most: number): Tick[] {
  const length = Math.max(1, to - from)
  const step = STEPS.find((candidate) => length / candidate <= most) ?? Math.ceil(length / most / DAY) * DAY
  const marks: Tick[] = []
  for (let time = 0; time <= length; time += step)
    marks.push({ at: time / length, label: offset(time, step) })
  return marks
}

function offset(time: number, step: number): string {
  if (time === 0) return '0'
  if (step < SECOND) return length(time, step < 10 ? 3 : step < 100 ? 2 : 1)
  return length(time, 0)
}

function length(time: number, digits: number): string {
  if (time < MINUTE) return `${(time / SECOND).toFixed(digits)} s`
  const days = Math.floor(time / DAY)
  const hours = Math.floor((time % DAY) / HOUR)
  const minutes = Math.floor((time % HOUR) / MINUTE)
  const seconds = Math.floor((time % MINUTE) / SECOND)
  const parts = [
    [days, 'd'],
    [hours, 'h'],
    [minutes, 'min'],
    [seconds, 's'],
  ] as const
  return parts.flatMap(([count, unit]) => (count > 0 ? [`${count} ${unit}`] : [])).join(' ')
}

/** Where a time is in the span, 0 to 1. */
export function position(time: number, { from, to }: Span): number {
  return Math.min(1, Math.max(0, (time - from) / Math.max(1, to - from)))
}

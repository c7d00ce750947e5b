/** Times and durations in words. The server sends ISO 8601 in UTC; people read their own zone. */

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' })
const short = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
})
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto', style: 'long' })

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

export function exactTime(at: string): string {
  return exact.format(new Date(at))
}

export function shortTime(at: string): string {
  return short.format(new Date(at))
}

export function relativeTime(at: string, now: number): string {
  const seconds = (Date.parse(at) - now) / 1000
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit)
  }
  return Math.abs(seconds) < 5 ? 'now' : relative.format(Math.trunc(seconds), 'second')
}

/** "4 ms", "0.42 s", "12.3 s", "3 min 05 s", "2 h 07 min", "3 d 4 h". */
export function formatSeconds(seconds: number): string {
  if (seconds < 0.0005) return '< 1 ms'
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  const [minutes, hours, days] = [
    Math.floor(whole / 60),
    Math.floor(whole / 3600),
    Math.floor(whole / 86_400),
  ]
  if (whole < 3_600) return `${minutes} min ${two(whole % 60)} s`
  if (whole < 86_400) return `${hours} h ${two(minutes % 60)} min`
  return `${days} d ${hours % 24} h`
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/** Seconds from one time to another, or to now while there is no other. */
export function secondsBetween(from: string, to: string | null, now: number): number {
  return ((to === null ? now : Date.parse(to)) - Date.parse(from)) / 1000
}

/** Python's log levels, which the server stores as numbers. */
export const LEVELS = [
  { value: 0, name: 'All levels' },
  { value: 10, name: 'Debug' },
  { value: 20, name: 'Info' },
  { value: 30, name: 'Warning' },
  { value: 40, name: 'Error' },
  { value: 50, name: 'Critical' },
] as const

/** The name of a level; one between two names is called by the lower one. */
export function levelName(level: number): string {
  if (level < 10) return 'Trace'
  return LEVELS.findLast((known) => known.value <= level)?.name ?? 'Trace'
}

/** The colour that a level shares with a kind of state; each is named in words beside it. */
export function levelClass(level: number): string {
  if (level >= 40) return 'text-failed'
  if (level >= 30) return 'text-submitted'
  return level >= 20 ? 'text-running' : 'text-muted'
}

/** How many records a level filter shows, from the counts by level. */
export function countFrom(levels: Record<string, number>, lowest: number): number {
  return Object.entries(levels).reduce(
    (sum, [level, count]) => (Number(level) >= lowest ? sum + count : sum),
    0,
  )
}

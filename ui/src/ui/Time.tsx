import { exactTime, formatSeconds, relativeTime, secondsBetween } from '@/ui/times'
import { useNow } from '@/ui/useNow'

/** A time, relative to now, exact on hover. `missing` is said where there is none. */
export function Time({ at, missing = '–' }: { at: string | null | undefined; missing?: string }) {
  const now = useNow(at != null)
  if (at == null) return <span className="text-muted">{missing}</span>
  return (
    <time dateTime={at} title={exactTime(at)} className="whitespace-nowrap">
      {relativeTime(at, now)}
    </time>
  )
}

/** How long something took, or has taken so far: it counts on while `until` is null. */
export function Duration({ from, until }: { from: string | null; until: string | null }) {
  const now = useNow(from !== null && until === null)
  if (from === null) return <span className="text-muted">–</span>
  return <span className="tabular whitespace-nowrap">{formatSeconds(secondsBetween(from, until, now))}</span>
}

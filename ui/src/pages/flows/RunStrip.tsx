import type { RunDot } from '@/api/generated'
import { StateIcon } from '@/ui/StateBadge'
import { stateWords } from '@/ui/states'

const SHOWN = 10

/** A flow's last runs, the newest on the right. Each state has a shape as well as a colour. */
export function RunStrip({ runs }: { runs: readonly RunDot[] }) {
  if (runs.length === 0) return <span className="whitespace-nowrap text-muted">none yet</span>
  const shown = runs.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at)).slice(-SHOWN)
  const words = shown.map((run) => stateWords(run.state).toLowerCase()).join(', ')
  return (
    <span role="img" aria-label={`Last runs, the newest last: ${words}`} className="flex gap-0.5">
      {shown.map((run, index) => (
        <span
          key={run.id}
          title={`${stateWords(run.state)} · ${new Date(run.at).toLocaleString()}`}
          className={index < shown.length - 5 ? 'max-sm:hidden' : undefined}
        >
          <StateIcon type={run.state} />
        </span>
      ))}
    </span>
  )
}

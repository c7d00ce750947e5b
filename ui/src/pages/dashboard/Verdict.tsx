import type { Overview } from '@/api/generated'
import { StateIcon } from '@/ui/StateBadge'

/** Is everything all right? In one sentence. */
export function Verdict({ overview, period }: { overview: Overview; period: string }) {
  const { type, words } = verdict(overview, period)
  return (
    <p className="flex items-center gap-2 text-lg">
      <StateIcon type={type} size={20} />
      {words}
    </p>
  )
}

export function verdict(overview: Overview, period: string): { type: string; words: string } {
  const looks = overview.needs_a_look.length
  const agents = Object.values(overview.agents).reduce((sum, count) => sum + count, 0)
  if (looks > 0) {
    return { type: 'Failed', words: looks === 1 ? 'One run needs a look.' : `${looks} runs need a look.` }
  }
  if (agents === 0) {
    return { type: 'Late', words: 'No agent is connected, so nothing that waits can start.' }
  }
  if ((overview.agents.healthy ?? 0) === 0) {
    return { type: 'Late', words: 'No agent is healthy, so nothing that waits can start.' }
  }
  const done = overview.states.Success ?? 0
  if (done === 0) return { type: 'Success', words: `All is quiet: no run has ended in the ${period}.` }
  const runs = done === 1 ? 'one run succeeded' : `${done.toLocaleString()} runs succeeded`
  return { type: 'Success', words: `All is well: ${runs} in the ${period}.` }
}

import { STATE_TYPES, stateWords } from '@/ui/states'
import type { NodeState, Placed, Scene } from './scene'
import { KIND_WORDS } from './shapes'

/** A state in words: "running, 12 of 40 success, 1 failed". */
export function stateSentence(state: NodeState): string {
  const own = state.name === '' ? '' : stateWords(state.name).toLowerCase()
  const tries = state.attempt > 1 ? `attempt ${state.attempt}` : ''
  const counts = STATE_TYPES.flatMap((type) => {
    const count = state.counts[type] ?? 0
    return count > 0 ? [`${count.toLocaleString()} ${type.toLowerCase()}`] : []
  })
  const children = counts.length === 0 ? '' : `${counts.join(', ')} of ${state.total.toLocaleString()}`
  return [own, tries, children].filter(Boolean).join(', ')
}

/** A node in one sentence, with its neighbours when its number is known. */
export function describe(node: Placed, scene: Scene, index?: number): string {
  const state = stateSentence(node.state)
  const own = `${node.name}, ${KIND_WORDS[node.kind]}${state === '' ? '' : `, ${state}`}`
  if (index === undefined) return own
  const names = (list: readonly number[] | undefined) => (list ?? []).length
  return `${own}. ${names(scene.up[index])} upstream, ${names(scene.down[index])} downstream.`
}

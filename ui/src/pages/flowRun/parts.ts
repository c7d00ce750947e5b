import type { Actor, FlowRun, RunEvent } from '@/api/generated'
import { isFinished, stateWords } from '@/ui/states'

/** "the schedule nightly", "ada". On the page of a run, what the run itself did is said so. */
export function actorWords(actor: Actor, ownRun?: string): string {
  switch (actor.kind) {
    case 'schedule':
      return actor.name ? `the schedule ${actor.name}` : 'its schedule'
    case 'service_account':
      return `${actor.name} (service account)`
    case 'run':
      return actor.id === ownRun ? 'the run itself' : `the ${actor.name}`
    case 'system':
      return 'the server'
    default:
      return actor.name
  }
}

/** What the run's state means, in a sentence: its own message where it has one. */
export function stateSentence(run: FlowRun): string {
  const { state } = run
  if (run.unreachable)
    return 'The run does not answer. It may still be running; if it stays silent, it ends as Crashed.'
  if (run.cancel_requested && !isFinished(state.type)) return state.message || 'It has been told to stop.'
  if (state.message) return state.message
  switch (state.type) {
    case 'Scheduled':
      return run.late ? 'It should have started by now.' : 'It waits for its start.'
    case 'Submitted':
      return `${run.agent ?? 'An agent'} starts it.`
    case 'Running':
      return `${done(run)} tasks are done.`
    case 'Paused':
      return 'It waits for an approval.'
    case 'Cancelling':
      return 'It has been told to stop.'
    case 'Success':
      return 'All that counts succeeded.'
    case 'Failed':
      return 'A task that counts failed.'
    case 'Crashed':
      return 'The run ended without a final report.'
    case 'Cancelled':
      return 'It was cancelled.'
  }
}

/** "3 of 8". The children of mapped tasks count as well, once it is known how many there are. */
function done(run: FlowRun): string {
  const { Success = 0, Failed = 0, Crashed = 0, Cancelled = 0 } = run.task_states
  const known = Object.values(run.task_states).reduce((sum, count) => sum + count, 0)
  const ended = Success + Failed + Crashed + Cancelled
  return `${ended.toLocaleString()} of ${Math.max(run.tasks, known).toLocaleString()}`
}

/** Where the reason of a wait leads: to the agents when none takes the run, to the flow when that is paused. */
export function causeOf(code: string): { to: 'agents' | 'flow'; label: string } | undefined {
  if (/agent|label|kind|launch/.test(code)) return { to: 'agents', label: 'Agents' }
  if (/^flow/.test(code)) return { to: 'flow', label: 'The flow' }
  return undefined
}

/** A move in words: "Running → Success". */
export function moveWords(event: RunEvent): string {
  const to = stateWords(event.state.name)
  if (event.from_type === null || event.from_type === event.state.name) return to
  return `${stateWords(event.from_type)} → ${to}`
}

export interface TaskChoice {
  slug: string
  mapIndex: number
}

/** The selected task run, as the address has it: "clean" or "clean[3]". */
export function taskChoice(text: string | undefined): TaskChoice | undefined {
  if (!text) return undefined
  const [, slug, index] = /^(.*?)(?:\[(\d+)\])?$/.exec(text) ?? []
  return slug ? { slug, mapIndex: index === undefined ? -1 : Number(index) } : undefined
}

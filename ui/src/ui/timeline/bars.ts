import type { EdgeSpec, State, StateType, TaskRun } from '@/api/generated'
import type { Span } from './scale'

/** A stretch of a task run: an attempt, or the wait before the next one. */
export interface Segment extends Span {
  kind: 'attempt' | 'wait'
  type: StateType
  name: string
  attempt: number
}

/** One line of the timeline. A mapped task's line stands for its children; `depth` 1 is such a child. */
export interface Bar {
  key: string
  run: TaskRun
  name: string
  depth: 0 | 1
  segments: Segment[]
  /** On the chain of tasks that decided when the run ended. */
  critical: boolean
}

export const keyOf = (run: Pick<TaskRun, 'slug' | 'map_index'>) =>
  run.map_index < 0 ? run.slug : `${run.slug}[${run.map_index}]`

const millis = (time: string) => Date.parse(time)

const FINISHED = new Set<StateType>(['Success', 'Failed', 'Crashed', 'Cancelled'])

/** The whole time that the runs take; an unfinished one reaches to `now`. */
export function spanOf(
  runs: readonly TaskRun[],
  whole: { from: string | null; to: string | null },
  now: number,
): Span {
  const starts = runs.flatMap((run) => (run.started_at === null ? [] : [millis(run.started_at)]))
  if (whole.from !== null) starts.push(millis(whole.from))
  const from = starts.reduce((first, start) => Math.min(first, start), Infinity)
  const ends = runs.map((run) => endOf(run, now))
  ends.push(whole.to === null ? now : millis(whole.to))
  const to = ends.reduce((last, end) => Math.max(last, end), -Infinity)
  if (!Number.isFinite(from)) return { from: now, to: now + 1000 }
  return { from, to: Math.max(to, from + 1) }
}

function endOf(run: TaskRun, now: number): number {
  if (run.finished_at !== null) return millis(run.finished_at)
  if (run.started_at === null || FINISHED.has(run.state.type)) return millis(run.state.at)
  return now
}

/** Without the history: one stretch from start to end. */
function wholeSegment(run: TaskRun, now: number): Segment[] {
  if (run.started_at === null) return []
  const { type, name } = run.state
  return [
    { kind: 'attempt', from: millis(run.started_at), to: endOf(run, now), type, name, attempt: run.attempt },
  ]
}

/** From a task run's states: each attempt as it began and ended, and the waits between them. */
export function segmentsOf(states: readonly State[], now: number): Segment[] {
  const segments: Segment[] = []
  let attempt = 0
  states.forEach((state, index) => {
    const next = states[index + 1]
    const from = millis(state.at)
    const to = next === undefined ? now : millis(next.at)
    if (state.type === 'Running') {
      attempt += 1
      const ended = next ?? state
      // A retried attempt is followed by its wait; the attempt itself has failed.
      const failed = ended.type === 'Scheduled'
      segments.push({
        kind: 'attempt',
        from,
        to,
        type: failed ? 'Failed' : ended.type,
        name: failed ? 'Failed' : ended.name,
        attempt,
      })
    } else if ((state.type === 'Scheduled' || state.type === 'Paused') && attempt > 0) {
      segments.push({ kind: 'wait', from, to, type: state.type, name: state.name, attempt })
    }
  })
  return segments
}

/**
 * The chain that decided the end: from the task that finished last, back over the upstream that finished last, and so
 * on to a task without one.
 */
export function criticalPath(runs: readonly TaskRun[], edges: readonly EdgeSpec[], now: number): Set<string> {
  const bySlug = new Map(runs.filter((run) => run.map_index < 0).map((run) => [run.slug, run]))
  const upstreams = new Map<string, string[]>()
  for (const { upstream, downstream } of edges) {
    const list = upstreams.get(downstream)
    if (list === undefined) upstreams.set(downstream, [upstream])
    else list.push(upstream)
  }
  const last = (slugs: Iterable<string>): TaskRun | undefined => {
    let found: TaskRun | undefined
    for (const slug of slugs) {
      const run = bySlug.get(slug)
      if (run === undefined || run.started_at === null) continue
      if (found === undefined || endOf(run, now) > endOf(found, now)) found = run
    }
    return found
  }
  const path = new Set<string>()
  for (let run = last(bySlug.keys()); run !== undefined && !path.has(run.slug);) {
    path.add(run.slug)
    run = last(upstreams.get(run.slug) ?? [])
  }
  return path
}

/** How the lines are put together from what has been read. */
export interface BarsRequest {
  runs: readonly TaskRun[]
  edges: readonly EdgeSpec[]
  names: ReadonlyMap<string, string>
  /** The children of the mapped tasks that are unfolded, by slug. */
  children: ReadonlyMap<string, readonly TaskRun[]>
  /** The states of those task runs of which attempts are to be seen, by key. */
  histories: ReadonlyMap<string, readonly State[]>
  now: number
}

/** The lines, in order of start; children stand below their mapped task. */
export function barsOf({ runs, edges, names, children, histories, now }: BarsRequest): Bar[] {
  const critical = criticalPath(runs, edges, now)
  const bar = (run: TaskRun, depth: 0 | 1): Bar => {
    const key = keyOf(run)
    const history = histories.get(key)
    const segments = history === undefined ? [] : segmentsOf(history, now)
    return {
      key,
      run,
      name: depth === 1 ? `[${run.map_index}]` : (names.get(run.slug) ?? run.slug),
      depth,
      segments: segments.length > 0 ? segments : wholeSegment(run, now),
      critical: depth === 0 && critical.has(run.slug),
    }
  }
  const began = (run: TaskRun) => (run.started_at === null ? Infinity : millis(run.started_at))
  const inOrder = [...runs].sort((a, b) => (began(a) === began(b) ? 0 : began(a) - began(b)))
  return inOrder.flatMap((run) => [
    bar(run, 0),
    ...(children.get(run.slug) ?? []).map((child) => bar(child, 1)),
  ])
}

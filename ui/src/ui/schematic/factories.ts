import type { TaskRun } from '@/api/generated'
import type { SchematicEdge, SchematicTask } from './graph'

export function task(slug: string, given: Partial<SchematicTask> = {}): SchematicTask {
  return { slug, name: slug, kind: 'task', mapped: false, ...given }
}

/** "a > b" as an edge. */
export function edge(text: string, given: Partial<SchematicEdge> = {}): SchematicEdge {
  const [upstream = '', downstream = ''] = text.split(' > ')
  return { upstream, downstream, ...given }
}

/** A graph as a flow makes them: each task after one or two of those shortly before it. */
export function grown(count: number): { tasks: SchematicTask[]; edges: SchematicEdge[] } {
  const tasks = Array.from({ length: count }, (_, index) => task(`t${index}`))
  const edges = tasks.flatMap((_, index) =>
    index === 0
      ? []
      : [
          edge(`t${Math.max(0, index - 1 - ((index * 7) % 40))} > t${index}`),
          ...(index % 2 ? [edge(`t${Math.max(0, index - 1 - ((index * 13) % 25))} > t${index}`)] : []),
        ],
  )
  return { tasks, edges }
}

export function taskRun(slug: string, given: Partial<TaskRun> = {}): TaskRun {
  return {
    slug,
    map_index: -1,
    state: { type: 'Success', name: 'Success', at: '2026-01-01T00:00:10Z' },
    attempt: 1,
    started_at: '2026-01-01T00:00:00Z',
    finished_at: '2026-01-01T00:00:10Z',
    children: {},
    result: null,
    ...given,
  }
}

import type { EdgeSpec, TaskSpec } from '@/api/generated'

/** What the schematic needs to know of a task. */
export type SchematicTask = Pick<
  TaskSpec,
  'slug' | 'name' | 'kind' | 'mapped' | 'tags' | 'trigger' | 'retries'
>

export type SchematicEdge = Pick<EdgeSpec, 'upstream' | 'downstream' | 'mapped' | 'flattened' | 'case'>

/** How a node is drawn. `fold` stands for all the tasks that are deeper than the levels shown. */
export type NodeKind =
  'task' | 'mapped' | 'parameter' | 'case' | 'merge' | 'flow' | 'resource' | 'operator' | 'fold'

export interface GraphNode {
  slug: string
  name: string
  kind: NodeKind
  /** The tasks this node stands for: itself, or those folded into it. */
  members: string[]
}

/** A graph with its nodes numbered; an edge holds the numbers of its two ends. */
export interface Graph {
  nodes: GraphNode[]
  edges: GraphEdge[]
}

interface GraphEdge {
  from: number
  to: number
  mapped: boolean
  /** The value that a branch waits for, as written beside the edge. */
  label: string
}

const KINDS = new Set<string>(['parameter', 'case', 'merge', 'flow', 'resource', 'operator'])

function kindOf(task: SchematicTask): NodeKind {
  const kind = task.kind ?? 'task'
  if (KINDS.has(kind)) return kind as NodeKind
  return task.mapped ? 'mapped' : 'task'
}

/** Numbers the tasks; several edges between the same two tasks become one. An edge to an unknown task is left out. */
export function graphOf(tasks: readonly SchematicTask[], edges: readonly SchematicEdge[]): Graph {
  const number = new Map(tasks.map((task, index) => [task.slug, index]))
  const merged = new Map<string, GraphEdge>()
  for (const edge of edges) {
    const from = number.get(edge.upstream)
    const to = number.get(edge.downstream)
    if (from === undefined || to === undefined || from === to) continue
    join(merged, { from, to, mapped: edge.mapped ?? false, label: edge.case ?? '' })
  }
  const nodes = tasks.map((task) => ({
    slug: task.slug,
    name: task.name,
    kind: kindOf(task),
    members: [task.slug],
  }))
  return { nodes, edges: [...merged.values()] }
}

function join(edges: Map<string, GraphEdge>, edge: GraphEdge) {
  const key = `${edge.from} ${edge.to}`
  const known = edges.get(key)
  if (known === undefined) edges.set(key, edge)
  else edges.set(key, { ...known, mapped: known.mapped || edge.mapped, label: known.label || edge.label })
}

/** The numbers of the direct upstreams and downstreams of each node. */
export function neighbours(graph: {
  nodes: { length: number }
  edges: readonly { from: number; to: number }[]
}): { up: number[][]; down: number[][] } {
  const up: number[][] = Array.from({ length: graph.nodes.length }, () => [])
  const down: number[][] = Array.from({ length: graph.nodes.length }, () => [])
  for (const { from, to } of graph.edges) {
    up[to]?.push(from)
    down[from]?.push(to)
  }
  return { up, down }
}

/** The level of each node: the length of the longest path that leads to it. */
export function levels(up: readonly number[][], down: readonly number[][]): number[] {
  const missing = up.map((list) => list.length)
  const level = up.map(() => 0)
  const ready = missing.flatMap((count, node) => (count === 0 ? [node] : []))
  for (let next = 0; next < ready.length; next++) {
    const node = ready[next] ?? 0
    for (const below of down[node] ?? []) {
      level[below] = Math.max(level[below] ?? 0, (level[node] ?? 0) + 1)
      missing[below] = (missing[below] ?? 0) - 1
      if (missing[below] === 0) ready.push(below)
    }
  }
  return level
}

/** How many levels the graph has. */
export function depthOf(graph: Graph): number {
  const { up, down } = neighbours(graph)
  return graph.nodes.length === 0 ? 0 : levels(up, down).reduce((most, level) => Math.max(most, level), 0) + 1
}

export const FOLD = ' fold'

/** The graph down to a number of levels, with everything deeper folded into one node. */
export function foldBelow(graph: Graph, shown: number): Graph {
  const { up, down } = neighbours(graph)
  const level = levels(up, down)
  const hidden = graph.nodes.filter((_, node) => (level[node] ?? 0) >= shown)
  if (hidden.length < 2) return graph
  const kept = graph.nodes.flatMap((_, node) => ((level[node] ?? 0) < shown ? [node] : []))
  const place = new Map(kept.map((node, index) => [node, index]))
  const fold = kept.length
  const merged = new Map<string, GraphEdge>()
  for (const edge of graph.edges) {
    const from = place.get(edge.from)
    if (from === undefined) continue
    join(merged, { ...edge, from, to: place.get(edge.to) ?? fold })
  }
  const nodes = kept.flatMap((node) => graph.nodes[node] ?? [])
  const members = hidden.map((node) => node.slug)
  const name = `${hidden.length.toLocaleString()} deeper tasks`
  return { nodes: [...nodes, { slug: FOLD, name, kind: 'fold', members }], edges: [...merged.values()] }
}

import type { StateType, TaskRun } from '@/api/generated'
import { STATE_TYPES } from '@/ui/states'
import { type Graph, type GraphNode, neighbours } from './graph'
import type { Layout, LayoutRequest } from './layout'
import { SIZES } from './shapes'

/** What is drawn of a node's state: its own, and how many of its children (or folded members) are in which. */
export interface NodeState {
  type: StateType | undefined
  name: string
  attempt: number
  counts: Partial<Record<string, number>>
  total: number
}

/** A node with its place. */
export interface Placed extends GraphNode {
  x: number
  y: number
  width: number
  height: number
  state: NodeState
}

/** All that is drawn. */
export interface Scene {
  nodes: Placed[]
  edges: { from: number; to: number; points: number[]; mapped: boolean; label: string }[]
  up: number[][]
  down: number[][]
  width: number
  height: number
}

/** The worst first: what a folded node shows of its members. */
const WORST: StateType[] = [
  'Crashed',
  'Failed',
  'Cancelling',
  'Paused',
  'Running',
  'Submitted',
  'Scheduled',
  'Cancelled',
  'Success',
]

export function requestOf(graph: Graph): LayoutRequest {
  return {
    sizes: graph.nodes.map((node) => SIZES[node.kind]),
    edges: graph.edges.map(({ from, to }) => ({ from, to })),
  }
}

export function stateOf(node: GraphNode, runs: ReadonlyMap<string, TaskRun> | undefined): NodeState {
  const own = node.kind === 'fold' ? undefined : runs?.get(node.slug)
  if (own !== undefined) {
    const counts = own.children
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
    return { type: own.state.type, name: own.state.name, attempt: own.attempt, counts, total }
  }
  const counts: Partial<Record<string, number>> = {}
  if (node.kind === 'fold' && runs !== undefined)
    for (const slug of node.members) {
      const type = runs.get(slug)?.state.type
      if (type !== undefined) counts[type] = (counts[type] ?? 0) + 1
    }
  const type = WORST.find((candidate) => (counts[candidate] ?? 0) > 0)
  const total = node.kind === 'fold' ? node.members.length : 0
  return { type, name: type ?? '', attempt: 0, counts, total }
}

export function sceneOf(graph: Graph, layout: Layout, runs: ReadonlyMap<string, TaskRun> | undefined): Scene {
  const nodes = graph.nodes.map((node, index) => {
    const [width, height] = SIZES[node.kind]
    return {
      ...node,
      x: layout.x[index] ?? 0,
      y: layout.y[index] ?? 0,
      width,
      height,
      state: stateOf(node, runs),
    }
  })
  const edges = graph.edges.map((edge, index) => ({ ...edge, points: layout.edges[index] ?? [] }))
  return { nodes, edges, ...neighbours(graph), width: layout.width, height: layout.height }
}

/** The parts of a bar of states, in the order in which bars are stacked. */
export function barParts(state: NodeState): { type: StateType; share: number }[] {
  if (state.total === 0) return []
  return STATE_TYPES.flatMap((type) => {
    const count = state.counts[type] ?? 0
    return count > 0 ? [{ type, share: count / state.total }] : []
  })
}

/** The node under a point of the graph. */
export function nodeAt(scene: Scene, x: number, y: number): Placed | undefined {
  return scene.nodes.findLast(
    (node) => x >= node.x && x <= node.x + node.width && y >= node.y && y <= node.y + node.height,
  )
}

/** Where an arrow key leads: along the edges left and right, to the next node of the same column up and down. */
export function walk(scene: Scene, from: number | undefined, key: string): number | undefined {
  const here = from === undefined ? undefined : scene.nodes[from]
  if (from === undefined || here === undefined) return scene.nodes.length > 0 ? 0 : undefined
  const middle = (node: Placed) => node.y + node.height / 2
  const nearest = (candidates: readonly number[]) =>
    candidates.reduce<number | undefined>((best, candidate) => {
      const [one, other] = [scene.nodes[candidate], best === undefined ? undefined : scene.nodes[best]]
      if (one === undefined) return best
      if (other === undefined) return candidate
      return Math.abs(middle(one) - middle(here)) < Math.abs(middle(other) - middle(here)) ? candidate : best
    }, undefined)
  if (key === 'ArrowLeft') return nearest(scene.up[from] ?? [])
  if (key === 'ArrowRight') return nearest(scene.down[from] ?? [])
  const sign = key === 'ArrowDown' ? 1 : -1
  const column = scene.nodes.flatMap((node, index) => {
    const overlaps = node.x < here.x + here.width && node.x + node.width > here.x
    return overlaps && (middle(node) - middle(here)) * sign > 0 ? [index] : []
  })
  return nearest(column)
}

/** The nodes whose name or slug holds the words. */
export function search(nodes: readonly GraphNode[], text: string): number[] {
  const words = text.trim().toLowerCase()
  if (words === '') return []
  return nodes.flatMap((node, index) =>
    node.name.toLowerCase().includes(words) || node.slug.toLowerCase().includes(words) ? [index] : [],
  )
}

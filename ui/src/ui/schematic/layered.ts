import { levels, neighbours } from './graph'
import type { LayoutRequest, Layout } from './layout'

const COLUMN_GAP = 64
const ROW_GAP = 14
const SWEEPS = 8

/**
 * Places a graph of any size: longest-path levels from left to right, barycentre sweeps against crossings, then rows
 * pulled towards their neighbours. Two thousand nodes take some tens of milliseconds, where dagre takes seconds.
 */
export function layered(request: LayoutRequest): Layout {
  const { sizes, edges } = request
  const { up, down } = neighbours({ nodes: sizes, edges })
  const level = pullSources(levels(up, down), up, down)
  const columns = columnsOf(level)
  for (let sweep = 0; sweep < SWEEPS; sweep++) order(columns, sweep % 2 === 0 ? up : down, sweep % 2 === 0)
  return place(request, columns, up, down)
}

/** A parameter or constant belongs beside what uses it, not at the far left. */
function pullSources(level: number[], up: readonly number[][], down: readonly number[][]): number[] {
  return level.map((own, node) => {
    const below = down[node] ?? []
    if ((up[node] ?? []).length > 0 || below.length === 0) return own
    return below.reduce((nearest, other) => Math.min(nearest, level[other] ?? 0), Infinity) - 1
  })
}

function columnsOf(level: readonly number[]): number[][] {
  const columns: number[][] = []
  level.forEach((rank, node) => (columns[rank] ??= []).push(node))
  return Array.from(columns, (column) => column as number[] | undefined).map((column) => column ?? [])
}

function order(columns: number[][], fixed: readonly number[][], forward: boolean) {
  const at = new Map<number, number>()
  const remember = (column: readonly number[]) =>
    column.forEach((node, index) => at.set(node, (index + 0.5) / column.length))
  columns.forEach(remember)
  for (const column of forward ? columns : [...columns].reverse()) {
    const weight = new Map(column.map((node) => [node, mean(fixed[node], at) ?? at.get(node) ?? 0]))
    column.sort((a, b) => (weight.get(a) ?? 0) - (weight.get(b) ?? 0))
    remember(column)
  }
}

function mean(nodes: readonly number[] | undefined, at: ReadonlyMap<number, number>): number | undefined {
  if (nodes === undefined || nodes.length === 0) return undefined
  return nodes.reduce((sum, node) => sum + (at.get(node) ?? 0), 0) / nodes.length
}

/** A level with very many nodes is broken into several columns, so that the picture keeps a readable shape. */
function place(
  { sizes, edges }: LayoutRequest,
  columns: readonly number[][],
  up: readonly number[][],
  down: readonly number[][],
): Layout {
  const rows = Math.max(24, Math.ceil(Math.sqrt(sizes.length) * 1.6))
  const x = new Float64Array(sizes.length)
  const centre = new Map<number, number>()
  let left = 0
  for (const column of columns) {
    for (let start = 0; start < column.length; start += rows) {
      const part = column.slice(start, start + rows)
      const width = part.reduce((most, node) => Math.max(most, sizes[node]?.[0] ?? 0), 0)
      for (const node of part) x[node] = left + (width - (sizes[node]?.[0] ?? 0)) / 2
      stack(part, sizes, centre)
      left += width + (start + rows < column.length ? COLUMN_GAP / 3 : COLUMN_GAP)
    }
  }
  const height = (node: number) => sizes[node]?.[1] ?? 0
  for (let pass = 0; pass < 6; pass++) {
    const fixed = pass % 2 === 0 ? up : down
    for (const column of pass % 2 === 0 ? columns : [...columns].reverse())
      if (column.length <= rows) settle(column, fixed, centre, height)
  }
  return finish(sizes, edges, x, centre)
}

function stack(part: readonly number[], sizes: LayoutRequest['sizes'], centre: Map<number, number>) {
  const total = part.reduce((sum, node) => sum + (sizes[node]?.[1] ?? 0) + ROW_GAP, -ROW_GAP)
  let top = -total / 2
  for (const node of part) {
    const height = sizes[node]?.[1] ?? 0
    centre.set(node, top + height / 2)
    top += height + ROW_GAP
  }
}

/**
 * Moves a column's nodes as near to their neighbours as their order and gaps allow: the least-squares answer, by
 * pooling neighbours that want to overlap.
 */
function settle(
  column: readonly number[],
  fixed: readonly number[][],
  centre: Map<number, number>,
  height: (node: number) => number,
) {
  const pools: { sum: number; count: number }[] = []
  const offsets: number[] = []
  let offset = 0
  column.forEach((node, index) => {
    if (index > 0) offset += (height(column[index - 1] ?? node) + height(node)) / 2 + ROW_GAP
    offsets.push(offset)
    pools.push({ sum: (mean(fixed[node], centre) ?? centre.get(node) ?? 0) - offset, count: 1 })
    for (
      let last = pools.at(-1), before = pools.at(-2);
      last && before;
      last = pools.at(-1), before = pools.at(-2)
    ) {
      if (before.sum / before.count <= last.sum / last.count) break
      pools.splice(-2, 2, { sum: before.sum + last.sum, count: before.count + last.count })
    }
  })
  let index = 0
  for (const { sum, count } of pools)
    for (let used = 0; used < count; used++, index++)
      centre.set(column[index] ?? 0, sum / count + (offsets[index] ?? 0))
}

function finish(
  sizes: LayoutRequest['sizes'],
  edges: LayoutRequest['edges'],
  x: Float64Array,
  centre: ReadonlyMap<number, number>,
): Layout {
  let top = Infinity
  let bottom = -Infinity
  let right = 0
  sizes.forEach(([width, height], node) => {
    top = Math.min(top, (centre.get(node) ?? 0) - height / 2)
    bottom = Math.max(bottom, (centre.get(node) ?? 0) + height / 2)
    right = Math.max(right, (x[node] ?? 0) + width)
  })
  if (sizes.length === 0) return { x: [], y: [], width: 0, height: 0, edges: [] }
  const y = sizes.map(([, height], node) => (centre.get(node) ?? 0) - height / 2 - top)
  const points = edges.map(({ from, to }) => [
    (x[from] ?? 0) + (sizes[from]?.[0] ?? 0),
    (centre.get(from) ?? 0) - top,
    x[to] ?? 0,
    (centre.get(to) ?? 0) - top,
  ])
  return { x: [...x], y, width: right, height: bottom - top, edges: points }
}

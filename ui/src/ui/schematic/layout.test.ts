import { describe, expect, test } from 'vitest'
import { edge, grown, task } from './factories'
import { depthOf, foldBelow, graphOf, levels, neighbours } from './graph'
import { DAGRE_NODES, layout, type Layout, type LayoutRequest } from './layout'
import { layered } from './layered'
import { requestOf } from './scene'

function overlaps({ sizes }: LayoutRequest, { x, y }: Layout): string[] {
  const boxes = sizes.map(([width, height], node) => ({
    node,
    x: x[node] ?? NaN,
    y: y[node] ?? NaN,
    width,
    height,
  }))
  boxes.sort((a, b) => a.x - b.x)
  return boxes.flatMap((one, index) => {
    const found: string[] = []
    for (const other of boxes.slice(index + 1)) {
      if (other.x >= one.x + one.width) break
      if (other.y < one.y + one.height && one.y < other.y + other.height)
        found.push(`${one.node} ${other.node}`)
    }
    return found
  })
}

const request = (count: number) => {
  const { tasks, edges } = grown(count)
  return requestOf(graphOf(tasks, edges))
}

describe('a graph', () => {
  test('has one edge between two tasks, and none to itself or to an unknown task', () => {
    const graph = graphOf(
      [task('a'), task('b')],
      [edge('a > b', { mapped: true }), edge('a > b', { case: 'True' }), edge('a > a'), edge('a > gone')],
    )
    expect(graph.edges).toEqual([{ from: 0, to: 1, mapped: true, label: 'True' }])
  })

  test('tells kinds apart, and draws one it does not know as a task', () => {
    const graph = graphOf(
      [task('a', { kind: 'case' }), task('b', { mapped: true }), task('c', { kind: 'of the future' })],
      [],
    )
    expect(graph.nodes.map((node) => node.kind)).toEqual(['case', 'mapped', 'task'])
  })

  test('has levels by its longest paths', () => {
    const graph = graphOf([task('a'), task('b'), task('c')], [edge('a > b'), edge('b > c'), edge('a > c')])
    const { up, down } = neighbours(graph)
    expect(levels(up, down)).toEqual([0, 1, 2])
    expect(depthOf(graph)).toBe(3)
    expect(depthOf(graphOf([], []))).toBe(0)
  })

  test('folds what is deeper into one node that knows its members', () => {
    const graph = graphOf(
      [task('a'), task('b'), task('c'), task('d')],
      [edge('a > b'), edge('b > c'), edge('a > d'), edge('d > c')],
    )
    const folded = foldBelow(graph, 1)
    expect(folded.nodes.map((node) => node.name)).toEqual(['a', '3 deeper tasks'])
    expect(folded.nodes[1]?.members).toEqual(['b', 'c', 'd'])
    expect(folded.edges).toEqual([{ from: 0, to: 1, mapped: false, label: '' }])
    expect(foldBelow(graph, 2)).toBe(graph)
  })
})

describe.each([
  ['of dagre', 60],
  ['our own', DAGRE_NODES + 200],
])('the layout %s', (_, count) => {
  const asked = request(count)
  const answer = layout(asked)

  test('lets no two nodes overlap', () => {
    expect(overlaps(asked, answer)).toEqual([])
  })

  test('goes from left to right along every edge', () => {
    for (const { from, to } of asked.edges)
      expect((answer.x[from] ?? 0) + (asked.sizes[from]?.[0] ?? 0)).toBeLessThan(answer.x[to] ?? 0)
  })

  test('lies within its size, edges ending at their nodes', () => {
    expect(Math.min(...answer.x, ...answer.y)).toBeGreaterThanOrEqual(0)
    asked.sizes.forEach(([width, height], node) => {
      expect((answer.x[node] ?? 0) + width).toBeLessThanOrEqual(answer.width + 0.01)
      expect((answer.y[node] ?? 0) + height).toBeLessThanOrEqual(answer.height + 0.01)
    })
    answer.edges.forEach((points, index) => {
      const { from, to } = asked.edges[index] ?? { from: 0, to: 0 }
      expect(points[0]).toBeCloseTo((answer.x[from] ?? 0) + (asked.sizes[from]?.[0] ?? 0))
      expect(points.at(-2)).toBeCloseTo(answer.x[to] ?? 0)
    })
  })
})

test('two thousand tasks side by side stay in a readable shape', () => {
  const tasks = ['start', ...Array.from({ length: 2000 }, (_, index) => `t${index}`), 'end'].map((slug) =>
    task(slug),
  )
  const edges = tasks.slice(1, -1).flatMap(({ slug }) => [edge(`start > ${slug}`), edge(`${slug} > end`)])
  const asked = requestOf(graphOf(tasks, edges))
  const answer = layered(asked)
  expect(overlaps(asked, answer)).toEqual([])
  expect(answer.width / answer.height).toBeGreaterThan(0.2)
  expect(answer.width / answer.height).toBeLessThan(5)
})

test('nothing has a layout', () => {
  expect(layout({ sizes: [], edges: [] })).toEqual({ x: [], y: [], width: 0, height: 0, edges: [] })
  expect(layered({ sizes: [], edges: [] })).toEqual({ x: [], y: [], width: 0, height: 0, edges: [] })
})

import { describe, expect, test } from 'vitest'
import { stateSentence } from './describe'
import { edge, task, taskRun } from './factories'
import { foldBelow, graphOf } from './graph'
import { layout } from './layout'
import { barParts, nodeAt, requestOf, sceneOf, search, stateOf, walk } from './scene'
import { fit, hold, reveal, start, zoomAt } from './view'

const graph = graphOf(
  [task('a'), task('b'), task('c'), task('d')],
  [edge('a > b'), edge('a > c'), edge('b > d'), edge('c > d')],
)
const scene = sceneOf(graph, layout(requestOf(graph)), undefined)
const screen = { width: 800, height: 400 }

describe('the keyboard', () => {
  test('follows the edges and goes up and down a column', () => {
    const first = walk(scene, undefined, 'ArrowRight')
    expect(first).toBe(0)
    const next = walk(scene, 0, 'ArrowRight') ?? -1
    expect([1, 2]).toContain(next)
    const other = walk(
      scene,
      next,
      (scene.nodes[1]?.y ?? 0) < (scene.nodes[2]?.y ?? 0) === (next === 1) ? 'ArrowDown' : 'ArrowUp',
    )
    expect([1, 2]).toContain(other)
    expect(other).not.toBe(next)
    expect(walk(scene, 3, 'ArrowRight')).toBeUndefined()
    expect(walk(scene, 3, 'ArrowLeft')).toBeDefined()
  })
})

test('a point is in the node that is there', () => {
  const node = scene.nodes[2]
  expect(nodeAt(scene, (node?.x ?? 0) + 5, (node?.y ?? 0) + 5)?.slug).toBe('c')
  expect(nodeAt(scene, -10, -10)).toBeUndefined()
})

test('a search finds names and slugs, case apart', () => {
  const nodes = graphOf([task('read', { name: 'Read weather' }), task('load')], []).nodes
  expect(search(nodes, ' WEATHER ')).toEqual([0])
  expect(search(nodes, 'oad')).toEqual([1])
  expect(search(nodes, '')).toEqual([])
})

test('a mapped task shows its children in proportion, and says them', () => {
  const [node] = graphOf([task('m', { mapped: true })], []).nodes
  if (node === undefined) throw new Error('no node')
  const run = taskRun('m', {
    children: { Success: 6, Failed: 2 },
    state: { type: 'Failed', name: 'Failed', at: '' },
  })
  const state = stateOf(node, new Map([['m', run]]))
  expect(barParts(state)).toEqual([
    { type: 'Success', share: 0.75 },
    { type: 'Failed', share: 0.25 },
  ])
  expect(stateSentence(state)).toBe('failed, 6 success, 2 failed of 8')
})

test('a fold shows the worst of its members', () => {
  const fold = foldBelow(graph, 1).nodes.at(-1)
  if (fold === undefined) throw new Error('no fold')
  const failed = taskRun('c', { state: { type: 'Failed', name: 'TimedOut', at: '' } })
  const state = stateOf(
    fold,
    new Map([
      ['b', taskRun('b')],
      ['c', failed],
    ]),
  )
  expect(state.type).toBe('Failed')
  expect(state.total).toBe(3)
})

describe('the view', () => {
  const content = { width: 4000, height: 1000 }

  test('fits all, and does not blow up what is small', () => {
    expect(fit(content, screen).scale).toBeCloseTo(752 / 4000)
    expect(fit({ width: 100, height: 50 }, screen)).toEqual({ scale: 1, x: 350, y: 175 })
  })

  test('starts where words can be read', () => {
    expect(start(content, screen).scale).toBeGreaterThan(0.6)
  })

  test('zooms with the point under the pointer standing still', () => {
    const before = { scale: 1, x: 10, y: 20 }
    const after = zoomAt(before, 2, 110, 70)
    expect((110 - after.x) / after.scale).toBeCloseTo((110 - before.x) / before.scale)
    expect((70 - after.y) / after.scale).toBeCloseTo((70 - before.y) / before.scale)
    expect(zoomAt(before, 1000, 0, 0).scale).toBe(2.5)
  })

  test('moves to a node only when it is not seen', () => {
    const view = { scale: 1, x: 0, y: 0 }
    expect(reveal(view, { x: 100, y: 100, width: 50, height: 20 }, screen)).toBe(view)
    const moved = reveal(view, { x: 2000, y: 100, width: 50, height: 20 }, screen)
    expect(2000 + moved.x).toBeCloseTo(375)
  })

  test('never loses the picture', () => {
    expect(hold({ scale: 1, x: -99_999, y: 99_999 }, content, screen)).toEqual({ scale: 1, x: -3920, y: 320 })
  })
})

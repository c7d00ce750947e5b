import { describe, expect, test } from 'vitest'
import type { State, StateType, TaskRun } from '@/api/generated'
import { taskRun } from '@/ui/schematic/factories'
import { barsOf, criticalPath, segmentsOf, spanOf } from './bars'
import { position, ticks } from './scale'

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString()
const now = Date.parse(at(100))

function ran(slug: string, from: number, to: number | null, given: Partial<TaskRun> = {}): TaskRun {
  const type: StateType = to === null ? 'Running' : 'Success'
  const state = { type, name: type, at: at(to ?? from) }
  return taskRun(slug, { started_at: at(from), finished_at: to === null ? null : at(to), state, ...given })
}

const said = (type: StateType, seconds: number, name: string = type): State => ({
  type,
  name,
  at: at(seconds),
})

describe('the critical path', () => {
  const edges = ['a > b', 'a > c', 'b > d', 'c > d'].map((text) => {
    const [upstream = '', downstream = ''] = text.split(' > ')
    return { upstream, downstream }
  })

  test('is the chain of those that finished last', () => {
    const runs = [ran('a', 0, 1), ran('b', 1, 2), ran('c', 1, 9), ran('d', 9, 10), ran('alone', 0, 8)]
    expect([...criticalPath(runs, edges, now)]).toEqual(['d', 'c', 'a'])
  })

  test('leads to what still runs', () => {
    const runs = [ran('a', 0, 1), ran('b', 1, null), ran('c', 1, 9)]
    expect([...criticalPath(runs, edges, now)]).toEqual(['b', 'a'])
  })

  test('is empty before anything started', () => {
    expect(criticalPath([taskRun('a', { started_at: null, finished_at: null })], edges, now).size).toBe(0)
  })
})

test('each attempt is a stretch, failed ones too, with the waits between them', () => {
  const states = [
    said('Scheduled', 0, 'Pending'),
    said('Running', 1),
    said('Scheduled', 3, 'Retrying'),
    said('Running', 5),
    said('Success', 9),
  ]
  const segments = segmentsOf(states, now)
  expect(segments.map(({ kind, type, attempt }) => [kind, type, attempt])).toEqual([
    ['attempt', 'Failed', 1],
    ['wait', 'Scheduled', 1],
    ['attempt', 'Success', 2],
  ])
  expect(segments.map(({ from, to }) => [from, to])).toEqual([
    [Date.parse(at(1)), Date.parse(at(3))],
    [Date.parse(at(3)), Date.parse(at(5))],
    [Date.parse(at(5)), Date.parse(at(9))],
  ])
})

test('an attempt that runs reaches to now', () => {
  const [segment] = segmentsOf([said('Running', 90)], now)
  expect(segment).toMatchObject({ type: 'Running', to: now })
})

test('lines stand in order of start, children below their task', () => {
  const mapped = ran('m', 1, 5, { children: { Success: 2 } })
  const children = [ran('m', 2, 3, { map_index: 0 }), ran('m', 1, 5, { map_index: 1 })]
  const bars = barsOf({
    runs: [ran('z', 6, 7), mapped],
    edges: [],
    names: new Map([['m', 'per month']]),
    children: new Map([['m', children]]),
    histories: new Map(),
    now,
  })
  expect(bars.map(({ key, name, depth }) => [key, name, depth])).toEqual([
    ['m', 'per month', 0],
    ['m[0]', '[0]', 1],
    ['m[1]', '[1]', 1],
    ['z', 'z', 0],
  ])
})

test('the span holds every task, and reaches to now while the run is unfinished', () => {
  const runs = [ran('a', 5, 8), ran('b', 6, 50)]
  expect(spanOf(runs, { from: at(4), to: at(40) }, now)).toEqual({
    from: Date.parse(at(4)),
    to: Date.parse(at(50)),
  })
  expect(spanOf(runs, { from: at(4), to: null }, now).to).toBe(now)
  expect(spanOf([], { from: null, to: null }, now)).toEqual({ from: now, to: now + 1000 })
})

describe('the axis', () => {
  test.each([
    [10, ['0', '0.002 s', '0.004 s', '0.006 s', '0.008 s', '0.010 s']],
    [1_500, ['0', '0.5 s', '1.0 s', '1.5 s']],
    [40_000, ['0', '10 s', '20 s', '30 s', '40 s']],
    [3 * 3_600_000, ['0', '1 h', '2 h', '3 h']],
    [5 * 86_400_000, ['0', '1 d', '2 d', '3 d', '4 d', '5 d']],
  ])('has round marks over %i ms', (length, labels) => {
    const marks = ticks({ from: 0, to: length }, 5)
    expect(marks.length).toBeLessThanOrEqual(6)
    expect(marks.map(({ label }) => label)).toEqual(labels)
  })

  test('keeps positions inside', () => {
    expect(position(-5, { from: 0, to: 10 })).toBe(0)
    expect(position(5, { from: 0, to: 10 })).toBe(0.5)
    expect(position(50, { from: 0, to: 10 })).toBe(1)
  })
})

import { expect, test } from 'vitest'
import { actorWords, causeOf, taskChoice } from './parts'

test('the address names a task, or a child of a mapped one', () => {
  expect(taskChoice('clean')).toEqual({ slug: 'clean', mapIndex: -1 })
  expect(taskChoice('clean[12]')).toEqual({ slug: 'clean', mapIndex: 12 })
  expect(taskChoice(undefined)).toBeUndefined()
})

test('a wait leads to its cause where there is a page of it', () => {
  expect(causeOf('no_agent')?.to).toBe('agents')
  expect(causeOf('no_launcher')?.to).toBe('agents')
  expect(causeOf('flow_paused')?.to).toBe('flow')
  expect(causeOf('paused')).toBeUndefined()
  expect(causeOf('not_due')).toBeUndefined()
})

test('an actor is named as people would', () => {
  expect(actorWords({ kind: 'schedule', name: 'nightly' })).toBe('the schedule nightly')
  expect(actorWords({ kind: 'user', name: 'ada' })).toBe('ada')
  const run = { kind: 'run', name: 'run 7', id: '7' }
  expect(actorWords(run, '7')).toBe('the run itself')
  expect(actorWords(run, '8')).toBe('the run 7')
})

import { expect, test } from 'vitest'
import { countFrom, levelName } from './levels'

test('a level between two names is called by the lower one', () => {
  expect([5, 10, 25, 30, 45, 60].map(levelName)).toEqual([
    'Trace',
    'Debug',
    'Info',
    'Warning',
    'Error',
    'Critical',
  ])
})

test('the counts of a filter are of its level and all above', () => {
  expect(countFrom({ '10': 3, '20': 5, '40': 1 }, 20)).toBe(6)
})

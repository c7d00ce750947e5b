import { expect, test } from 'vitest'
import { formatSeconds, relativeTime, secondsBetween } from '@/ui/times'

const NOON = Date.parse('2026-03-01T12:00:00Z')

test.each([
  [0.4249, '0.42 s'],
  [12.34, '12.3 s'],
  [59.94, '59.9 s'],
  [59.99, '1 min 00 s'],
  [185, '3 min 05 s'],
  [3599.7, '1 h 00 min'],
  [7_620, '2 h 07 min'],
  [273_600, '3 d 4 h'],
  [0.0041, '4 ms'],
  [0.0996, '0.10 s'],
  [9.996, '10.0 s'],
  [-3, '< 1 ms'],
])('%d seconds read %s', (seconds, words) => {
  expect(formatSeconds(seconds)).toBe(words)
})

test.each([
  ['2026-03-01T12:00:02Z', 'now'],
  ['2026-03-01T11:59:30Z', '30 seconds ago'],
  ['2026-03-01T11:58:01Z', '1 minute ago'],
  ['2026-03-01T14:30:00Z', 'in 2 hours'],
  ['2026-02-26T12:00:00Z', '3 days ago'],
])('%s is %s at noon', (at, words) => {
  expect(relativeTime(at, NOON)).toBe(words)
})

test('what has not ended counts on', () => {
  expect(secondsBetween('2026-03-01T11:59:00Z', null, NOON)).toBe(60)
  expect(secondsBetween('2026-03-01T11:59:00Z', '2026-03-01T11:59:10Z', NOON)).toBe(10)
})

import { expect, test } from 'vitest'
import { safeNext } from '@/pages/signIn/next'

test.each([
  ['/flows?tab=runs#x', '/flows?tab=runs#x'],
  [undefined, '/'],
  ['', '/'],
  ['https://elsewhere.example/', '/'],
  ['//elsewhere.example/x', '/'],
  ['/\\elsewhere.example/x', '/'],
  ['javascript:alert(1)', '/'],
  ['/sign-in?next=/flows', '/'],
])('after signing in, %s leads to %s', (next, target) => {
  expect(safeNext(next)).toBe(target)
})

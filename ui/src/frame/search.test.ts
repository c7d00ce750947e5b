import { expect, test } from 'vitest'
import { moveOf, parseSearch, stringifySearch } from '@/frame/search'

test('the address keeps plain strings, and leaves out what is empty', () => {
  expect(stringifySearch({ tab: 'logs', search: 'a b&c', level: '', task: undefined })).toBe(
    '?tab=logs&search=a+b%26c',
  )
  expect(parseSearch('?tab=logs&search=a+b%26c&limit=20')).toEqual({
    tab: 'logs',
    search: 'a b&c',
    limit: '20',
  })
  expect(stringifySearch({})).toBe('')
})

test('a step has an entry of its own, also where it leads back to what was before', () => {
  const first = moveOf('?tab=runs', {}, { state: 'Failed' }, 'step')
  expect(first).toMatchObject({ how: 'push', state: { from: '?tab=runs' } })
  const second = moveOf('?tab=runs&state=Failed', first.state, { state: '' }, 'step')
  expect(second.how).toBe('push')
  expect(moveOf('?tab=runs', {}, { tab: 'runs' }, 'step').how).toBe('stay')
})

test('a series is one entry, and taken back it is none', () => {
  const first = moveOf('', {}, { find: 'a' }, 'series')
  expect(first).toMatchObject({ how: 'push', state: { from: '', series: 'find' } })
  const second = moveOf('?find=a', first.state, { find: 'ab' }, 'series')
  expect(second).toMatchObject({ how: 'replace', search: { find: 'ab' }, state: first.state })
  expect(moveOf('?find=ab', second.state, { find: '' }, 'series').how).toBe('back')
  expect(moveOf('?find=ab', second.state, { label: 'x' }, 'series').how).toBe('push')
})

test('what has ended is not come back to', () => {
  const asked = moveOf('?tab=logs', {}, { ask: 'cancel' }, 'step')
  expect(moveOf('?tab=logs&ask=cancel', asked.state, { ask: undefined }, 'end').how).toBe('back')
  expect(moveOf('?ask=cancel', {}, { ask: undefined }, 'end').how).toBe('replace')
})

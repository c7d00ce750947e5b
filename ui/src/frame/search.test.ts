import { expect, test } from 'vitest'
import { parseSearch, stringifySearch } from '@/frame/search'

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

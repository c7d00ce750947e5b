import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback } from 'react'

/** The query of the address: plain strings, for people read and write them. */
export type Search = Record<string, string | undefined>

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text))
}

export function stringifySearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(search)) {
    if (typeof value === 'string' && value !== '') params.set(name, value)
  }
  const text = params.toString()
  return text ? `?${text}` : ''
}

/**
 * The page's state, which is the address. The setter changes the named ones and keeps the others; undefined and ''
 * take one out. It replaces the entry in the browser's history unless `push` is set.
 */
export function useSearchState(): [Search, (patch: Search, push?: boolean) => void] {
  const search: Search = useSearch({ strict: false })
  const navigate = useNavigate()
  const set = useCallback(
    (patch: Search, push = false) =>
      void navigate({
        to: '.',
        search: (before: Search) => ({ ...before, ...patch }),
        replace: !push,
        resetScroll: false,
      }),
    [navigate],
  )
  return [search, set]
}

import { useRouter, useSearch } from '@tanstack/react-router'
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
 * What a change of the address is in the browser's history:
 * - a step: an entry of its own (a filter chosen, a tab, a dialog), which Back undoes;
 * - a series: letters typed, one task looked at after the other. One entry stands for all of it, so Back undoes it whole;
 * - an end: what must not be come back to, such as a dialog that was answered.
 * A series or an end that leads to where its entry was made from goes back there, so that Back never does nothing.
 */
export type Change = 'step' | 'series' | 'end'

/** What an entry of the history knows of itself. */
interface EntryState {
  /** The query of the entry before, on the same page, where this one was made from there. */
  from?: string
  /** The names that a series changes. */
  series?: string
}

declare module '@tanstack/react-router' {
  // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- the router's way of typing its entries
  interface HistoryState extends EntryState {}
}

interface Move {
  how: 'stay' | 'back' | 'push' | 'replace'
  search: Search
  state: EntryState
}

/** How the address changes; `text` and `entry` are those of the entry that is shown. */
export function moveOf(text: string, entry: EntryState, patch: Search, change: Change): Move {
  const now = parseSearch(text)
  const search = { ...now, ...patch }
  const [before, after] = [stringifySearch(now), stringifySearch(search)]
  const series = Object.keys(patch).toSorted().join()
  if (before === after) return { how: 'stay', search, state: entry }
  if (change === 'end' || (change === 'series' && entry.series === series))
    return { how: after === entry.from ? 'back' : 'replace', search, state: entry }
  return { how: 'push', search, state: change === 'series' ? { from: before, series } : { from: before } }
}

let staysPut = false

/** Whether the page is to be scrolled to where it was: not when a card beside it was closed. */
export function restoresScroll(): boolean {
  const restores = !staysPut
  staysPut = false
  return restores
}

/**
 * The page's state, which is the address. The setter changes the named ones and keeps the others; undefined and ''
 * take one out.
 */
export function useSearchState(): [Search, (patch: Search, change?: Change) => void] {
  const search: Search = useSearch({ strict: false })
  const router = useRouter()
  const set = useCallback(
    (patch: Search, change: Change = 'step') => {
      const { search: text, state } = router.history.location
      const entry = {
        ...(state.from !== undefined && { from: state.from }),
        ...(state.series && { series: state.series }),
      }
      const move = moveOf(text, entry, patch, change)
      if (move.how === 'back') {
        staysPut = true
        router.history.back()
      } else if (move.how !== 'stay') {
        void router.navigate({
          to: '.',
          search: move.search,
          state: move.state,
          replace: move.how === 'replace',
          resetScroll: false,
        })
      }
    },
    [router],
  )
  return [search, set]
}

import { useSyncExternalStore } from 'react'

export type Theme = 'light' | 'dark' | 'system'

const KEY = 'headrace-theme'
const listeners = new Set<() => void>()
const system = window.matchMedia('(prefers-color-scheme: dark)')

function read(): Theme {
  const chosen = document.documentElement.dataset.theme
  return chosen === 'light' || chosen === 'dark' ? chosen : 'system'
}

function readShown(): 'light' | 'dark' {
  const chosen = read()
  if (chosen !== 'system') return chosen
  return system.matches ? 'dark' : 'light'
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  system.addEventListener('change', listener)
  return () => {
    listeners.delete(listener)
    system.removeEventListener('change', listener)
  }
}

/** Kept in this browser; `public/theme.js` sets it again before the first paint. */
export function setTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  try {
    if (theme === 'system') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, theme)
  } catch {
    // Storage is forbidden here: the choice holds until the page is loaded again.
  }
  for (const listener of listeners) listener()
}

/** What was chosen, and what is shown by it. */
export function useTheme(): { theme: Theme; shown: 'light' | 'dark' } {
  return { theme: useSyncExternalStore(subscribe, read), shown: useSyncExternalStore(subscribe, readShown) }
}

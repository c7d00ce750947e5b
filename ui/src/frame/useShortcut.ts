import { useEffect, useEffectEvent } from 'react'

export const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent)

/** ⌘ and a letter, or Ctrl and the letter where there is no ⌘. */
export function useShortcut(letter: string, action: () => void): void {
  const act = useEffectEvent(action)
  useEffect(() => {
    function press(event: KeyboardEvent): void {
      const command = isMac ? event.metaKey : event.ctrlKey
      if (!command || event.shiftKey || event.altKey || event.key.toLowerCase() !== letter) return
      event.preventDefault()
      act()
    }
    window.addEventListener('keydown', press)
    return () => window.removeEventListener('keydown', press)
  }, [letter])
}

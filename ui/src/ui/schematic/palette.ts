import { useEffect, useState } from 'react'
import type { StateType } from '@/api/generated'
import { STATE_TYPES } from '@/ui/states'

/** The tokens of the theme as a canvas needs them. */
export interface Palette {
  paper: string
  surface: string
  raised: string
  line: string
  edge: string
  ink: string
  muted: string
  accent: string
  states: Record<StateType, string>
  soft: Record<StateType, string>
  font: string
  mono: string
}

function readPalette(host: HTMLElement): Palette {
  const probe = document.createElement('span')
  probe.hidden = true
  host.append(probe)
  const colour = (value: string) => {
    probe.style.color = value
    return getComputedStyle(probe).color
  }
  const token = (name: string) => colour(`var(--color-${name})`)
  const states = {} as Record<StateType, string>
  const soft = {} as Record<StateType, string>
  for (const type of STATE_TYPES) {
    const name = type === 'Cancelling' ? 'cancelled' : type.toLowerCase()
    states[type] = token(name)
    soft[type] = colour(`color-mix(in srgb, var(--color-${name}) 11%, var(--color-surface))`)
  }
  const style = getComputedStyle(host)
  const palette: Palette = {
    paper: token('paper'),
    surface: token('surface'),
    raised: token('raised'),
    line: token('line'),
    edge: token('edge'),
    ink: token('ink'),
    muted: token('muted'),
    accent: token('accent'),
    states,
    soft,
    font: style.getPropertyValue('--font-sans') || 'sans-serif',
    mono: style.getPropertyValue('--font-mono') || 'monospace',
  }
  probe.remove()
  return palette
}

/** The colours of the theme that is on, read again when it changes. */
export function usePalette(host: HTMLElement | null): Palette | undefined {
  const [palette, setPalette] = useState<Palette>()
  useEffect(() => {
    if (host === null) return
    const read = () => setPalette(readPalette(host))
    read()
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', read)
    const observer = new MutationObserver(read)
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme', 'class'] })
    return () => {
      dark.removeEventListener('change', read)
      observer.disconnect()
    }
  }, [host])
  return palette
}

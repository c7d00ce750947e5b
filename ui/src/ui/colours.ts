const NAMES = [
  'paper',
  'surface',
  'raised',
  'line',
  'edge',
  'ink',
  'muted',
  'accent',
  'scheduled',
  'submitted',
  'running',
  'paused',
  'success',
  'failed',
  'crashed',
  'cancelled',
] as const

export type Colour = (typeof NAMES)[number]

/** The tokens as the present theme resolves them, for a canvas: it cannot read custom properties. */
export function readColours(): Record<Colour, string> {
  const probe = document.createElement('span')
  document.body.append(probe)
  const style = getComputedStyle(probe)
  const resolved = NAMES.map((name) => {
    probe.style.color = `var(--color-${name})`
    return [name, style.color]
  })
  probe.remove()
  return Object.fromEntries(resolved) as Record<Colour, string>
}

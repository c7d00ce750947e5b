/** What part of the picture is seen: screen = graph × scale + offset. */
export interface View {
  scale: number
  x: number
  y: number
}

export interface Box {
  width: number
  height: number
}

const SMALLEST = 0.02
const LARGEST = 2.5

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value))

/** The whole picture, centred; a small one is not blown up. */
export function fit(content: Box, screen: Box, margin = 24): View {
  const scale = clamp(
    Math.min(
      (screen.width - 2 * margin) / Math.max(1, content.width),
      (screen.height - 2 * margin) / Math.max(1, content.height),
    ),
    SMALLEST,
    1,
  )
  return {
    scale,
    x: (screen.width - content.width * scale) / 2,
    y: (screen.height - content.height * scale) / 2,
  }
}

/** A good start: the whole picture where its words can still be made out, else its beginning at a scale to read at. */
export function start(content: Box, screen: Box, enough = 0.55, readable = 0.85): View {
  const whole = fit(content, screen)
  if (whole.scale >= enough) return whole
  const centred = (screen.height - content.height * readable) / 2
  return { scale: readable, x: 24, y: content.height * readable <= screen.height ? centred : 24 }
}

/** Zooms by a factor with the point under the pointer standing still. */
export function zoomAt(view: View, factor: number, x: number, y: number): View {
  const scale = clamp(view.scale * factor, SMALLEST, LARGEST)
  const ratio = scale / view.scale
  return { scale, x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio }
}

/** Moves the view so that a node is seen: not at all where it already is, else to the middle. */
export function reveal(view: View, node: Box & { x: number; y: number }, screen: Box, margin = 32): View {
  const left = node.x * view.scale + view.x
  const top = node.y * view.scale + view.y
  const fits =
    left >= margin &&
    top >= margin &&
    left + node.width * view.scale <= screen.width - margin &&
    top + node.height * view.scale <= screen.height - margin
  if (fits) return view
  return {
    scale: view.scale,
    x: screen.width / 2 - (node.x + node.width / 2) * view.scale,
    y: screen.height / 2 - (node.y + node.height / 2) * view.scale,
  }
}

/** Keeps at least a corner of the picture on the screen. */
export function hold(view: View, content: Box, screen: Box, least = 80): View {
  return {
    scale: view.scale,
    x: clamp(view.x, least - content.width * view.scale, screen.width - least),
    y: clamp(view.y, least - content.height * view.scale, screen.height - least),
  }
}

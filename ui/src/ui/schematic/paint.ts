import type { Palette } from './palette'
import { barParts, type Placed, type Scene } from './scene'
import { kindIcon, outline, stateIcon } from './shapes'
import type { Box, View } from './view'

/** What is to be drawn besides the scene. */
export interface Look {
  view: View
  screen: Box
  palette: Palette
  selected: number | undefined
  focused: number | undefined
  found: ReadonlySet<number>
}

/** Below this scale words cannot be read, so boxes are drawn plain. */
const WORDS_FROM = 0.42
const LABELS_FROM = 0.7

/** Draws what is seen of a scene. Nothing outside the screen costs anything but its test. */
export function paint(context: CanvasRenderingContext2D, ratio: number, scene: Scene, look: Look) {
  const { view, screen, palette } = look
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.fillStyle = palette.surface
  context.fillRect(0, 0, screen.width, screen.height)
  context.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y)
  const seen = {
    left: -view.x / view.scale,
    top: -view.y / view.scale,
    right: (screen.width - view.x) / view.scale,
    bottom: (screen.height - view.y) / view.scale,
  }
  paintEdges(context, scene, look, seen)
  scene.nodes.forEach((node, index) => {
    const outside =
      node.x > seen.right ||
      node.y > seen.bottom ||
      node.x + node.width < seen.left ||
      node.y + node.height < seen.top
    if (outside) return
    if (view.scale < WORDS_FROM) paintPlain(context, node, index, look)
    else paintNode(context, node, index, look)
  })
}

interface Seen {
  left: number
  top: number
  right: number
  bottom: number
}

function paintEdges(context: CanvasRenderingContext2D, scene: Scene, look: Look, seen: Seen) {
  const { palette, view, selected } = look
  const faint = new Path2D()
  const dashed = new Path2D()
  const strong = new Path2D()
  const labels: { text: string; x: number; y: number }[] = []
  for (const { from, to, points, mapped, label } of scene.edges) {
    if (!crosses(points, seen)) continue
    trace(from === selected || to === selected ? strong : mapped ? dashed : faint, points)
    if (label !== '' && view.scale >= LABELS_FROM) {
      const [x = 0, y = 0] = points.slice(-2)
      labels.push({ text: label, x, y })
    }
  }
  const thin = Math.max(1, 0.6 / view.scale)
  context.lineWidth = thin
  context.strokeStyle = view.scale < WORDS_FROM ? palette.line : palette.edge
  context.stroke(faint)
  context.setLineDash([6, 4])
  context.stroke(dashed)
  context.setLineDash([])
  context.lineWidth = Math.max(2, thin * 1.6)
  context.strokeStyle = palette.accent
  context.stroke(strong)
  context.font = `11px ${palette.mono}`
  context.textBaseline = 'bottom'
  context.textAlign = 'right'
  context.fillStyle = palette.muted
  for (const { text, x, y } of labels) context.fillText(text, x - 8, y - 3)
}

function crosses(points: readonly number[], seen: Seen): boolean {
  const [left = 0, , ...rest] = points
  const right = rest.at(-2) ?? left
  if (Math.min(left, right) > seen.right || Math.max(left, right) < seen.left) return false
  let top = Infinity
  let bottom = -Infinity
  for (let index = 1; index < points.length; index += 2) {
    top = Math.min(top, points[index] ?? 0)
    bottom = Math.max(bottom, points[index] ?? 0)
  }
  return top <= seen.bottom && bottom >= seen.top
}

/** A curve through the points that leaves and arrives level, with a small head. */
function trace(path: Path2D, points: readonly number[]) {
  const end = points.length - 2
  path.moveTo(points[0] ?? 0, points[1] ?? 0)
  for (let index = 2; index <= end; index += 2) {
    const [fromX = 0, fromY = 0, toX = 0, toY = 0] = points.slice(index - 2, index + 2)
    const middle = (fromX + toX) / 2
    path.bezierCurveTo(middle, fromY, middle, toY, toX, toY)
  }
  const [x = 0, y = 0] = points.slice(end)
  path.moveTo(x - 6, y - 3.5)
  path.lineTo(x, y)
  path.lineTo(x - 6, y + 3.5)
}

function paintPlain(context: CanvasRenderingContext2D, node: Placed, index: number, look: Look) {
  const { palette, found, selected, focused } = look
  const { type } = node.state
  context.fillStyle = type === undefined ? palette.raised : palette.states[type]
  context.fillRect(node.x, node.y, node.width, node.height)
  const marked = index === selected || index === focused || found.has(index)
  context.lineWidth = (marked ? 3 : 1) / look.view.scale
  context.strokeStyle = marked ? palette.accent : palette.edge
  if (marked || type === undefined) context.strokeRect(node.x, node.y, node.width, node.height)
}

function paintNode(context: CanvasRenderingContext2D, node: Placed, index: number, look: Look) {
  const { palette, found, selected, focused } = look
  const { type } = node.state
  context.save()
  context.translate(node.x, node.y)
  const shape = outline(node.kind)
  if (node.kind === 'mapped' || node.kind === 'fold') paintStack(context, shape, palette)
  context.fillStyle = type === undefined ? palette.surface : palette.soft[type]
  context.fill(shape)
  context.lineWidth = index === selected ? 2.5 : found.has(index) ? 2 : 1
  const plain = type === undefined ? palette.edge : palette.states[type]
  context.strokeStyle = index === selected || found.has(index) ? palette.accent : plain
  if (node.kind === 'fold') context.setLineDash([4, 3])
  context.stroke(shape)
  context.setLineDash([])
  if (index === focused) {
    context.lineWidth = 2
    context.strokeStyle = palette.accent
    context.strokeRect(-4, -4, node.width + 8, node.height + 8)
  }
  paintWords(context, node, palette)
  context.restore()
}

function paintStack(context: CanvasRenderingContext2D, shape: Path2D, palette: Palette) {
  context.fillStyle = palette.surface
  context.strokeStyle = palette.edge
  context.lineWidth = 1
  context.save()
  context.translate(5, -5)
  context.fill(shape)
  context.stroke(shape)
  context.restore()
}

function paintWords(context: CanvasRenderingContext2D, node: Placed, palette: Palette) {
  const { state } = node
  const inset = node.kind === 'case' ? 18 : node.kind === 'parameter' ? 12 : 10
  const counted = node.kind === 'mapped' || node.kind === 'fold'
  const middle = counted ? node.height / 2 - 8 : node.height / 2
  paintIcon(context, kindIcon(node.kind), inset, middle - 7, palette.muted)
  const endings = state.type === undefined ? 0 : 20
  context.fillStyle = palette.ink
  context.font = `${node.kind === 'parameter' || node.kind === 'operator' ? 12 : 13}px ${palette.font}`
  context.textBaseline = 'middle'
  context.textAlign = 'left'
  const room = node.width - 2 * inset - 20 - endings
  context.fillText(shorten(context, node.name, room), inset + 20, middle + 0.5)
  if (state.type !== undefined)
    paintIcon(context, stateIcon(state.type), node.width - inset - 14, middle - 7, palette.states[state.type])
  if (counted) paintBar(context, node, inset, palette)
}

function paintIcon(context: CanvasRenderingContext2D, path: Path2D, x: number, y: number, colour: string) {
  context.save()
  context.translate(x, y)
  context.strokeStyle = colour
  context.lineWidth = 1.6
  context.lineCap = 'round'
  context.lineJoin = 'round'
  context.stroke(path)
  context.restore()
}

function paintBar(context: CanvasRenderingContext2D, node: Placed, inset: number, palette: Palette) {
  const { state } = node
  const words = state.total > 0 ? state.total.toLocaleString() : ''
  context.font = `11px ${palette.mono}`
  const room = node.width - 2 * inset - (words === '' ? 0 : context.measureText(words).width + 8)
  const top = node.height - 16
  context.fillStyle = palette.raised
  context.fillRect(inset, top, room, 7)
  context.strokeStyle = palette.line
  context.lineWidth = 1
  context.strokeRect(inset, top, room, 7)
  let left = inset
  for (const { type, share } of barParts(state)) {
    context.fillStyle = palette.states[type]
    context.fillRect(left, top, room * share, 7)
    left += room * share
  }
  context.fillStyle = palette.muted
  context.textAlign = 'right'
  context.fillText(words, node.width - inset, top + 4)
}

const widths = new Map<string, string>()

/** A name cut to the room it has; measured once for each font, room and name. */
function shorten(context: CanvasRenderingContext2D, text: string, room: number): string {
  const key = `${context.font} ${room} ${text}`
  const known = widths.get(key)
  if (known !== undefined) return known
  let cut = text
  if (context.measureText(text).width > room) {
    let [fits, most] = [0, text.length]
    while (fits < most) {
      const half = Math.ceil((fits + most) / 2)
      if (context.measureText(`${text.slice(0, half)}…`).width <= room) fits = half
      else most = half - 1
    }
    cut = `${text.slice(0, fits)}…`
  }
  if (widths.size > 20_000) widths.clear()
  widths.set(key, cut)
  return cut
}

import type { StateType } from '@/api/generated'
import type { NodeKind } from './graph'

/** How large each kind of node is drawn, in the graph's own pixels. */
export const SIZES: Record<NodeKind, readonly [width: number, height: number]> = {
  task: [188, 40],
  mapped: [188, 54],
  parameter: [156, 30],
  case: [172, 44],
  merge: [132, 34],
  flow: [188, 44],
  resource: [176, 44],
  operator: [132, 30],
  fold: [176, 54],
}

/** What a kind is called in the legend and read aloud as. */
export const KIND_WORDS: Record<NodeKind, string> = {
  task: 'task',
  mapped: 'mapped task',
  parameter: 'parameter',
  case: 'branch',
  merge: 'merge',
  flow: 'sub-flow',
  resource: 'resource',
  operator: 'operator',
  fold: 'folded tasks',
}

type Draw = (path: Path2D, width: number, height: number) => void

const rounded =
  (radius: number): Draw =>
  (path, width, height) =>
    path.roundRect(0, 0, width, height, radius)

const polygon = (path: Path2D, points: [number, number][]) => {
  points.forEach(([x, y], index) => (index === 0 ? path.moveTo(x, y) : path.lineTo(x, y)))
  path.closePath()
}

/** Each kind has an outline of its own, so that it is known without its colour. */
const OUTLINES: Record<NodeKind, Draw> = {
  task: rounded(8),
  mapped: rounded(8),
  parameter: rounded(15),
  case: (path, width, height) =>
    polygon(path, [
      [16, 0],
      [width - 16, 0],
      [width, height / 2],
      [width - 16, height],
      [16, height],
      [0, height / 2],
    ]),
  merge: (path, width, height) =>
    polygon(path, [
      [0, 0],
      [width - 14, 0],
      [width, height / 2],
      [width - 14, height],
      [0, height],
    ]),
  flow: (path, width, height) => {
    path.rect(0, 0, width, height)
    path.rect(5, 0, width - 10, height)
  },
  resource: (path, width, height) =>
    polygon(path, [
      [0, 0],
      [width - 12, 0],
      [width, 12],
      [width, height],
      [0, height],
    ]),
  operator: rounded(3),
  fold: rounded(8),
}

const outlines = new Map<NodeKind, Path2D>()

export function outline(kind: NodeKind): Path2D {
  let path = outlines.get(kind)
  if (path === undefined) {
    path = new Path2D()
    OUTLINES[kind](path, ...SIZES[kind])
    outlines.set(kind, path)
  }
  return path
}

/** Icons of 14 × 14, drawn as lines. */
const KIND_ICONS: Record<NodeKind, string> = {
  task: 'M2 3h10v8H2z M5 6l2 1.5L5 9',
  mapped: 'M2 5h8v7H2z M4 5V2h8v7h-2',
  parameter: 'M2 4h5 M10 4h2 M8.5 2.5v3 M2 10h2 M7 10h5 M5.5 8.5v3',
  case: 'M2 7h4 M6 7l4-4h2 M6 7l4 4h2',
  merge: 'M2 3h2l4 4h4 M2 11h2l4-4',
  flow: 'M1.5 2h4v4h-4z M8.5 8h4v4h-4z M3.5 6v4h5',
  resource: 'M2 4c0-2.5 10-2.5 10 0v6c0 2.5-10 2.5-10 0z M2 4c0 2.5 10 2.5 10 0',
  operator: 'M7 3v8 M3 7h8',
  fold: 'M3 7h.01 M7 7h.01 M11 7h.01',
}

const STATE_ICONS: Record<StateType, string> = {
  Scheduled: 'M7 1.5a5.5 5.5 0 1 0 .01 0 M7 4v3l2 1.5',
  Submitted: 'M12 2L2 6l4 2 2 4z M12 2L6 8',
  Running: 'M4 2.5l7 4.5-7 4.5z',
  Paused: 'M5 3v8 M9 3v8',
  Cancelling: 'M7 1.5a5.5 5.5 0 1 0 .01 0 M3.5 10.5l7-7',
  Success: 'M2.5 7.5l3 3 6-7',
  Failed: 'M3 3l8 8 M11 3l-8 8',
  Crashed: 'M8 1.5L4 7.5h3L6 12.5 10.5 6H7.5z',
  Cancelled: 'M7 1.5a5.5 5.5 0 1 0 .01 0 M3.5 10.5l7-7',
}

const icons = new Map<string, Path2D>()

function icon(source: string): Path2D {
  let path = icons.get(source)
  if (path === undefined) icons.set(source, (path = new Path2D(source)))
  return path
}

export const kindIcon = (kind: NodeKind) => icon(KIND_ICONS[kind])

export const stateIcon = (type: StateType) => icon(STATE_ICONS[type])

/** The same drawing for the legend, which is ordinary SVG. */
export const kindIconSource = (kind: NodeKind) => KIND_ICONS[kind]

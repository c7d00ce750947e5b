import type { Palette } from './palette'
import { paint } from './paint'
import { nodeAt, type Placed, type Scene } from './scene'
import { type Box, fit, hold, reveal, start, type View, zoomAt } from './view'

/** What the stage tells its owner. */
export interface StageEvents {
  pick: (node: Placed | undefined) => void
  hover: (node: Placed | undefined) => void
}

/** What is marked on the stage. */
export interface Marks {
  selected: number | undefined
  focused: number | undefined
  found: ReadonlySet<number>
}

/** A pointer that moved less than this was a click. */
const CLICK_PX = 4

/** A canvas that shows a scene and is panned and zoomed without React: one drawing per frame, whatever happens in it. */
export class Stage {
  private scene: Scene | undefined
  private palette: Palette | undefined
  private marks: Marks = { selected: undefined, focused: undefined, found: new Set() }
  private view: View = { scale: 1, x: 0, y: 0 }
  private screen: Box = { width: 0, height: 0 }
  private placed = false
  private frame = 0
  private moved = 0
  private readonly pointers = new Map<number, { x: number; y: number }>()
  private readonly resize: ResizeObserver
  private readonly stop = new AbortController()

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly events: StageEvents,
  ) {
    this.resize = new ResizeObserver(() => this.measure())
    this.resize.observe(canvas)
    const { signal } = this.stop
    canvas.addEventListener('pointerdown', (event) => this.down(event), { signal })
    canvas.addEventListener('pointermove', (event) => this.move(event), { signal })
    canvas.addEventListener('pointerup', (event) => this.up(event), { signal })
    canvas.addEventListener('pointercancel', (event) => this.pointers.delete(event.pointerId), { signal })
    canvas.addEventListener('pointerleave', () => this.events.hover(undefined), { signal })
    canvas.addEventListener('wheel', (event) => this.wheel(event), { signal, passive: false })
    this.measure()
  }

  close() {
    this.stop.abort()
    this.resize.disconnect()
    cancelAnimationFrame(this.frame)
  }

  /** Shows a scene; one with another layout is looked at from its start. */
  show(scene: Scene, fresh: boolean) {
    this.scene = scene
    if (fresh) this.placed = false
    this.draw()
  }

  paintWith(palette: Palette) {
    this.palette = palette
    this.draw()
  }

  mark(marks: Marks) {
    this.marks = marks
    this.draw()
  }

  fit() {
    if (this.scene !== undefined) this.look(fit(this.scene, this.screen))
  }

  zoom(factor: number) {
    this.look(zoomAt(this.view, factor, this.screen.width / 2, this.screen.height / 2))
  }

  pan(x: number, y: number) {
    this.look({ ...this.view, x: this.view.x + x, y: this.view.y + y })
  }

  reveal(index: number) {
    const node = this.scene?.nodes[index]
    if (node === undefined) return
    if (!this.placed) this.place()
    const readable = this.view.scale < 0.5 ? { ...this.view, scale: 0.8 } : this.view
    this.look(reveal(readable, node, this.screen))
  }

  private look(view: View) {
    this.view = this.scene === undefined ? view : hold(view, this.scene, this.screen)
    this.draw()
  }

  private place() {
    if (this.scene === undefined || this.screen.width === 0) return
    this.view = start(this.scene, this.screen)
    this.placed = true
  }

  private measure() {
    const { clientWidth: width, clientHeight: height } = this.canvas
    if (width === this.screen.width && height === this.screen.height) return
    this.screen = { width, height }
    this.draw()
  }

  private draw() {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.drawNow())
  }

  private drawNow() {
    this.frame = 0
    const context = this.canvas.getContext('2d', { alpha: false })
    if (context === null || this.scene === undefined || this.palette === undefined) return
    if (!this.placed) this.place()
    const ratio = window.devicePixelRatio
    const { width, height } = this.screen
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)]
    if (this.canvas.width !== across || this.canvas.height !== down) {
      this.canvas.width = across
      this.canvas.height = down
    }
    const look = { view: this.view, screen: this.screen, palette: this.palette, ...this.marks }
    paint(context, ratio, this.scene, look)
  }

  private under(event: PointerEvent): Placed | undefined {
    if (this.scene === undefined) return undefined
    const { scale, x, y } = this.view
    return nodeAt(this.scene, (event.offsetX - x) / scale, (event.offsetY - y) / scale)
  }

  private down(event: PointerEvent) {
    if (event.button !== 0) return
    this.canvas.setPointerCapture(event.pointerId)
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY })
    this.moved = 0
  }

  private move(event: PointerEvent) {
    const before = this.pointers.get(event.pointerId)
    if (before === undefined) {
      const node = this.under(event)
      this.canvas.style.cursor = node === undefined ? 'grab' : 'pointer'
      this.events.hover(node)
      return
    }
    const now = { x: event.offsetX, y: event.offsetY }
    this.pointers.set(event.pointerId, now)
    this.moved += Math.hypot(now.x - before.x, now.y - before.y)
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1]
    if (other === undefined) this.pan(now.x - before.x, now.y - before.y)
    else this.pinch(before, now, other)
  }

  private pinch(
    before: { x: number; y: number },
    now: { x: number; y: number },
    other: { x: number; y: number },
  ) {
    const distance = (point: { x: number; y: number }) => Math.hypot(point.x - other.x, point.y - other.y)
    const factor = distance(now) / Math.max(1, distance(before))
    this.look(zoomAt(this.view, factor, (now.x + other.x) / 2, (now.y + other.y) / 2))
  }

  private up(event: PointerEvent) {
    if (!this.pointers.delete(event.pointerId)) return
    if (this.moved < CLICK_PX) this.events.pick(this.under(event))
  }

  /** The wheel zooms once the schematic has been clicked, or with Ctrl; before that the page scrolls past it. */
  private wheel(event: WheelEvent) {
    const inside = document.activeElement === this.canvas
    if (!event.ctrlKey && !event.metaKey && !inside) return
    event.preventDefault()
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1
    this.look(zoomAt(this.view, Math.exp(-event.deltaY * lines * 0.0016), event.offsetX, event.offsetY))
  }
}

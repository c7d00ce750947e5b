import {
  type KeyboardEvent,
  type Ref,
  useEffect,
  useEffectEvent,
  useImperativeHandle,
  useRef,
  useState,
} from 'react'
import { describe } from './describe'
import { usePalette } from './palette'
import { type Placed, type Scene, walk } from './scene'
import { type Marks, Stage } from './stage'

/** What the toolbar can make the canvas do. */
export interface CanvasHandle {
  fit: () => void
  zoom: (factor: number) => void
  reveal: (index: number) => void
}

interface SchematicCanvasProps {
  scene: Scene
  /** Tells layouts apart: another one is looked at from its start. */
  layoutKey: string
  selected: number | undefined
  found: ReadonlySet<number>
  onPick: (node: Placed | undefined) => void
  label: string
  ref: Ref<CanvasHandle>
}

/** The picture itself: pointer and keyboard. What the keyboard stands on is read aloud. */
export function SchematicCanvas(props: SchematicCanvasProps) {
  const { scene, layoutKey, selected, found, onPick, label, ref } = props
  const canvas = useRef<HTMLCanvasElement>(null)
  const stage = useRef<Stage>(null)
  const shown = useRef('')
  const [host, setHost] = useState<HTMLElement | null>(null)
  const [focused, setFocused] = useState<number>()
  const [hovered, setHovered] = useState<Placed>()
  const palette = usePalette(host)
  const pick = useEffectEvent(onPick)

  useEffect(() => {
    if (canvas.current === null) return
    const made = new Stage(canvas.current, { pick: (node) => pick(node), hover: setHovered })
    stage.current = made
    shown.current = ''
    return () => made.close()
  }, [])

  useEffect(() => {
    if (palette !== undefined) stage.current?.paintWith(palette)
  }, [palette])

  useEffect(() => {
    const fresh = shown.current !== layoutKey
    stage.current?.show(scene, fresh)
    shown.current = layoutKey
    if (fresh && selected !== undefined) stage.current?.reveal(selected)
  }, [scene, layoutKey, selected])

  useEffect(() => {
    const marks: Marks = { selected, focused, found }
    stage.current?.mark(marks)
  }, [selected, focused, found])

  useImperativeHandle(ref, () => ({
    fit: () => stage.current?.fit(),
    zoom: (factor) => stage.current?.zoom(factor),
    reveal: (index) => stage.current?.reveal(index),
  }))

  function onKeyDown(event: KeyboardEvent) {
    const next = keyed(event, focused ?? selected)
    if (next === undefined) return
    event.preventDefault()
    if (typeof next === 'number') {
      setFocused(next)
      stage.current?.reveal(next)
    } else next()
  }

  function keyed(event: KeyboardEvent, here: number | undefined): number | (() => void) | undefined {
    if (event.ctrlKey || event.metaKey || event.altKey) return undefined
    if (event.key.startsWith('Arrow')) return walk(scene, here, event.key)
    if (event.key === 'Enter' || event.key === ' ')
      return here === undefined ? undefined : () => onPick(scene.nodes[here])
    if (event.key === 'Escape' && selected !== undefined) return () => onPick(undefined)
    if (event.key === '+' || event.key === '=') return () => stage.current?.zoom(1.25)
    if (event.key === '-') return () => stage.current?.zoom(0.8)
    if (event.key === '0') return () => stage.current?.fit()
    return undefined
  }

  const spoken = focused === undefined ? undefined : scene.nodes[focused]
  return (
    <div ref={setHost} className="relative h-full min-h-0 w-full">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-roledescription="schematic"
        aria-label={label}
        onKeyDown={onKeyDown}
        onBlur={() => setFocused(undefined)}
        className="block size-full cursor-grab touch-none rounded-md -outline-offset-2 active:cursor-grabbing"
      />
      <p role="status" className="sr-only">
        {spoken === undefined ? '' : describe(spoken, scene, focused)}
      </p>
      {hovered !== undefined && (
        <p
          aria-hidden
          className="pointer-events-none absolute bottom-2 left-2 max-w-[calc(100%-1rem)] truncate rounded-sm border border-line bg-surface px-2 py-1 text-sm"
        >
          {describe(hovered, scene)}
        </p>
      )}
    </div>
  )
}

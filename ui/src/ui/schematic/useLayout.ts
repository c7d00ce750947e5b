import { useEffect, useState } from 'react'
import type { Layout, LayoutRequest } from './layout'

const KEPT = 12
const known = new Map<string, Layout>()
const waiting = new Map<number, (layout: Layout) => void>()
let worker: Worker | undefined
let lastId = 0

function ask(request: LayoutRequest, then: (layout: Layout) => void): () => void {
  if (worker === undefined) {
    worker = new Worker(new URL('./layout.worker.ts', import.meta.url), { type: 'module' })
    worker.onmessage = (event: MessageEvent<{ id: number; layout: Layout }>) => {
      waiting.get(event.data.id)?.(event.data.layout)
      waiting.delete(event.data.id)
    }
  }
  const id = ++lastId
  waiting.set(id, then)
  worker.postMessage({ id, request })
  return () => waiting.delete(id)
}

function keep(key: string, layout: Layout) {
  known.set(key, layout)
  for (const oldest of known.keys()) {
    if (known.size <= KEPT) break
    known.delete(oldest)
  }
}

/** The layout of a graph, worked out off the main thread and kept by structure; undefined until it is there. */
export function useLayout(request: LayoutRequest, key: string): Layout | undefined {
  const [arrived, setArrived] = useState<{ key: string; layout: Layout }>()
  const layout = known.get(key) ?? (arrived?.key === key ? arrived.layout : undefined)
  useEffect(() => {
    if (known.has(key)) return
    return ask(request, (result) => {
      keep(key, result)
      setArrived({ key, layout: result })
    })
    // The key says all that the request holds.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key])
  return layout
}

/** A short name for all that a layout depends on. */
export function layoutKey({ sizes, edges }: LayoutRequest): string {
  return `${sizes.map((size) => size.join('x')).join(' ')}|${edges.map((edge) => `${edge.from}-${edge.to}`).join(' ')}`
}

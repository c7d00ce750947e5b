import { layout, type LayoutRequest } from './layout'

self.onmessage = (event: MessageEvent<{ id: number; request: LayoutRequest }>) => {
  self.postMessage({ id: event.data.id, layout: layout(event.data.request) })
}

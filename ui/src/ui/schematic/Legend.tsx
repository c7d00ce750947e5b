import type { Graph } from './graph'
import { KIND_WORDS, kindIconSource } from './shapes'

/** The kinds of node that this graph has, with the icon of each. */
export function Legend({ graph }: { graph: Graph }) {
  const kinds = [...new Set(graph.nodes.map((node) => node.kind))]
  return (
    <ul aria-label="Legend" className="flex flex-wrap gap-x-4 gap-y-1 text-sm text-muted">
      {kinds.map((kind) => (
        <li key={kind} className="flex items-center gap-1.5">
          <svg
            aria-hidden
            width="14"
            height="14"
            viewBox="0 0 14 14"
            fill="none"
            stroke="currentColor"
            strokeWidth="1.5"
          >
            <path d={kindIconSource(kind)} strokeLinecap="round" strokeLinejoin="round" />
          </svg>
          {KIND_WORDS[kind]}
        </li>
      ))}
      <li className="hidden sm:list-item">Click the picture, then scroll to zoom; drag to move.</li>
    </ul>
  )
}

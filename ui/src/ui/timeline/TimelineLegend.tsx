import { Waypoints } from 'lucide-react'

export function TimelineLegend() {
  return (
    <p className="flex flex-wrap items-center gap-x-4 gap-y-1 text-sm text-muted">
      <span className="flex items-center gap-1.5">
        <Waypoints aria-hidden size={14} className="text-accent" />
        on the critical path: the chain of tasks that decided when the run ended
      </span>
      <span className="flex items-center gap-1.5">
        <span aria-hidden className="w-5 border-t-2 border-dotted border-edge" />
        waits for the next attempt
      </span>
    </p>
  )
}

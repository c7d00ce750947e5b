import { useQuery } from '@tanstack/react-query'
import { History } from 'lucide-react'
import type { FlowRun } from '@/api/generated'
import { runEventsQuery } from '@/api/runs'
import { Faces } from '@/ui/Faces'
import { actorWords, moveWords } from '@/pages/flowRun/parts'
import { Badge } from '@/ui/Badge'
import { StateIcon } from '@/ui/StateBadge'
import { Time } from '@/ui/Time'

/** What happened to the run, in order, by whom. */
export function HistoryTab({ run }: { run: FlowRun }) {
  const events = useQuery(runEventsQuery(run.id))
  const items = events.data?.items ?? []
  return (
    <Faces
      query={events}
      empty={items.length === 0}
      icon={History}
      title="Nothing has happened yet"
      hint="Each change of state is kept here."
    >
      <ol aria-label="History" className="divide-y divide-line rounded-md border border-line bg-surface">
        {items.map((event) => (
          <li
            key={event.seq}
            className="grid grid-cols-[auto_minmax(0,1fr)_auto] items-start gap-x-3 px-3 py-2"
          >
            <span className="tabular w-8 pt-0.5 text-right font-mono text-xs text-muted">{event.seq}</span>
            <div className="min-w-0">
              <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
                <StateIcon type={event.state.type} />
                <span className="font-medium">{moveWords(event)}</span>
                <span className="text-muted">by {actorWords(event.actor, run.id)}</span>
                <Badge title="Which attempt's word counts: it rises with each claim">
                  fence {event.fence}
                </Badge>
              </p>
              {event.state.message && (
                <p className="text-sm wrap-anywhere whitespace-pre-wrap text-muted">{event.state.message}</p>
              )}
            </div>
            <span className="text-sm text-muted max-sm:col-start-2">
              <Time at={event.at} />
            </span>
          </li>
        ))}
      </ol>
    </Faces>
  )
}

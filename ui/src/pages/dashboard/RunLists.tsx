import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { FlowRun } from '@/api/generated'
import { ApproveButton } from '@/pages/dashboard/ApproveButton'
import { Section } from '@/ui/Section'
import { StateBadge } from '@/ui/StateBadge'
import { StateBar } from '@/ui/StateBar'
import { Duration, Time } from '@/ui/Time'

export function NeedsALook({ runs }: { runs: readonly FlowRun[] }) {
  return (
    <Section title="Needs a look" aside={<Count of={runs} />}>
      <Runs runs={runs} none="Nothing failed, crashed, waits for approval or is late.">
        {(run) => (
          <>
            <RunLine run={run} when={<Time at={run.state.at} />} />
            <p className="line-clamp-2 text-sm text-muted">{run.waits?.sentence ?? run.state.message}</p>
            {run.state.type === 'Paused' && <ApproveButton run={run} />}
          </>
        )}
      </Runs>
    </Section>
  )
}

export function Running({ runs }: { runs: readonly FlowRun[] }) {
  return (
    <Section title="Running now" aside={<Count of={runs} />}>
      <Runs runs={runs} none="Nothing runs at the moment.">
        {(run) => (
          <>
            <RunLine run={run} when={<Duration from={run.started_at} until={null} />} />
            <StateBar states={run.task_states} total={run.tasks} noun="tasks" />
          </>
        )}
      </Runs>
    </Section>
  )
}

export function Upcoming({ runs }: { runs: readonly FlowRun[] }) {
  return (
    <Section title="Upcoming" aside={<Count of={runs} />}>
      <Runs runs={runs} none="Nothing is due.">
        {(run) => (
          <>
            <RunLine run={run} when={<Time at={run.due_at} />} />
            {run.waits && <p className="line-clamp-2 text-sm text-muted">{run.waits.sentence}</p>}
          </>
        )}
      </Runs>
    </Section>
  )
}

function Count({ of: runs }: { of: readonly FlowRun[] }) {
  return <span className="tabular text-muted">{runs.length > 0 && runs.length}</span>
}

interface RunsProps {
  runs: readonly FlowRun[]
  none: string
  children: (run: FlowRun) => ReactNode
}

function Runs({ runs, none, children }: RunsProps) {
  if (runs.length === 0) return <p className="text-muted">{none}</p>
  return (
    <ul className="divide-y divide-line rounded-md border border-line bg-surface">
      {runs.map((run) => (
        <li key={run.id} className="flex flex-col gap-1 px-3 py-2">
          {children(run)}
        </li>
      ))}
    </ul>
  )
}

function RunLine({ run, when }: { run: FlowRun; when: ReactNode }) {
  return (
    <div className="flex items-center gap-2">
      <StateBadge state={run.state} late={run.late} unreachable={run.unreachable} />
      <Link
        to="/flow-runs/$flowRunId"
        params={{ flowRunId: run.id }}
        className="min-w-0 flex-1 truncate hover:underline"
        title={`${run.project}/${run.flow} · ${run.name}`}
      >
        <span className="font-medium">{run.flow}</span> <span className="text-muted">{run.name}</span>
      </Link>
      <span className="text-sm text-muted">{when}</span>
    </div>
  )
}

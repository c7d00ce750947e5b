import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { FlowRun } from '@/api/generated'
import { actorWords } from '@/pages/flowRun/parts'
import { Badge } from '@/ui/Badge'
import { isFinished } from '@/ui/states'
import { Duration, Time } from '@/ui/Time'

/** Who, when, how long, with what. */
export function RunFacts({ run }: { run: FlowRun }) {
  const started = run.started_at !== null
  const parameters = Object.entries(run.parameters)
  return (
    <div className="mb-4 flex flex-col gap-3">
      <dl className="flex flex-wrap gap-x-8 gap-y-2">
        <Fact name="Flow">
          <Link to="/flows/$flowId" params={{ flowId: run.flow_id }} className="text-accent hover:underline">
            {run.project}/{run.flow}
          </Link>
        </Fact>
        <Fact name="Version">{run.version}</Fact>
        <Fact name="Started by">{actorWords(run.created_by)}</Fact>
        <Fact name={started ? 'Started' : 'Due'}>
          <Time at={started ? run.started_at : run.due_at} />
        </Fact>
        {run.finished_at !== null && (
          <Fact name="Ended">
            <Time at={run.finished_at} />
          </Fact>
        )}
        {started && (
          <Fact name={isFinished(run.state.type) ? 'Took' : 'Runs for'}>
            <Duration from={run.started_at} until={run.finished_at} />
          </Fact>
        )}
        <Fact name="Attempt">
          {run.attempt}
          {run.rescues > 0 && ` (${run.rescues} rescued)`}
        </Fact>
        {run.restarted_from !== null && (
          <Fact name="Re-run of">
            <Link
              to="/flow-runs/$flowRunId"
              params={{ flowRunId: run.restarted_from }}
              className="text-accent hover:underline"
            >
              an earlier run
            </Link>
          </Fact>
        )}
        {run.mark && (
          <Fact name={`Marked as ${run.mark.type}`}>
            {run.mark.reason} <span className="text-muted">by {run.mark.by}</span> <Time at={run.mark.at} />
          </Fact>
        )}
        {run.labels.length > 0 && (
          <Fact name="Labels">
            <span className="flex flex-wrap gap-1">
              {run.labels.map((label) => (
                <Badge key={label}>{label}</Badge>
              ))}
            </span>
          </Fact>
        )}
      </dl>
      {parameters.length > 0 && (
        <details className="group" open={parameters.length <= 3}>
          <summary className="text-sm text-muted">Parameters ({parameters.length})</summary>
          <dl className="mt-1 grid max-w-3xl grid-cols-[minmax(0,auto)_minmax(0,1fr)] gap-x-4 gap-y-0.5 font-mono text-sm">
            {parameters.map(([name, value]) => (
              <div key={name} className="contents">
                <dt className="truncate text-muted">{name}</dt>
                <dd className="wrap-anywhere">{JSON.stringify(value)}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </div>
  )
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-sm text-muted">{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

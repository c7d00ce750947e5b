import { Link } from '@tanstack/react-router'
import type { FlowRun } from '@/api/generated'
import { useStructure } from '@/pages/flowRun/useRun'
import { CopyValue } from '@/ui/CopyButton'
import { ErrorState } from '@/ui/EmptyState'
import { type Fact, Facts } from '@/ui/Facts'
import { executorFacts, runConfigFacts, storageFacts } from '@/ui/infrastructure'
import { Section } from '@/ui/Section'
import { SkeletonRows } from '@/ui/Skeleton'

/** Where the run is or was, and what it was to be started with. */
export function InfrastructureTab({ run }: { run: FlowRun }) {
  const query = useStructure(run)
  return (
    <div className="grid gap-x-8 gap-y-6 lg:grid-cols-2">
      <Section title="Where">
        <Facts facts={whereFacts(run)} />
      </Section>
      <Section title="Run config">
        <Facts facts={runConfigFacts(run.run_config)} />
      </Section>
      {query.data ? (
        <>
          <Section title="Executor">
            <Facts facts={executorFacts(query.data.structure.executor ?? { kind: 'local' })} />
          </Section>
          <Section title="Content">
            <Facts
              facts={[
                ...storageFacts(query.data.version.storage),
                [
                  'SHA-256',
                  <CopyValue
                    key="sha"
                    value={query.data.version.content_sha256}
                    length={12}
                    label="Copy the SHA-256"
                  />,
                ],
                ['Python', query.data.version.python_version],
                ['Headrace', query.data.version.headrace_version],
              ]}
            />
          </Section>
        </>
      ) : query.error ? (
        <ErrorState error={query.error} retry={() => void query.refetch()} />
      ) : (
        <SkeletonRows rows={4} />
      )}
    </div>
  )
}

function whereFacts(run: FlowRun): Fact[] {
  const agent =
    run.agent === null ? (
      <span className="text-muted">none has taken it yet</span>
    ) : (
      <Link to="/agents" className="text-accent hover:underline">
        {run.agent}
      </Link>
    )
  const facts: Fact[] = [['Agent', agent]]
  if (run.host !== null) facts.push(['Host', <span className="font-mono wrap-anywhere">{run.host}</span>])
  if (run.pid !== null) facts.push(['Process', <span className="font-mono">{run.pid}</span>])
  facts.push(
    ['Attempt', run.attempt],
    ['Rescues', run.rescues],
    ['When it is lost', run.on_lost === 'reschedule' ? 'it is started again' : 'it ends as Crashed'],
    ['Log level', run.log_level],
    ['Run', <CopyValue key="id" value={run.id} label="Copy the run’s id" />],
  )
  if (run.result !== null)
    facts.push(['Result', <CopyValue key="result" value={run.result.location} label="Copy the location" />])
  return facts
}

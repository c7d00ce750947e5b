import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { FlowRun } from '@/api/generated'
import { useStructure } from '@/pages/flowRun/useRun'
import { CopyText } from '@/ui/CopyButton'
import { Facts } from '@/ui/Facts'
import { Section } from '@/ui/Section'

const RUN_CONFIGS = { local: 'a process on the agent’s machine', docker: 'a container' } as const

/** Where the run is or was, and what it was to be started with. */
export function InfrastructureTab({ run }: { run: FlowRun }) {
  const version = useStructure(run).data
  const { kind } = run.run_config
  const where: [string, ReactNode][] = [
    [
      'Agent',
      run.agent === null ? (
        <span className="text-muted">none has taken it yet</span>
      ) : (
        <Link to="/agents" className="text-accent hover:underline">
          {run.agent}
        </Link>
      ),
    ],
    ['Host', <Mono key="host">{run.host ?? '–'}</Mono>],
    ['Process', <Mono key="pid">{run.pid ?? '–'}</Mono>],
    ['Attempt', run.attempt],
    ['Rescues', run.rescues],
    ['When it is lost', run.on_lost === 'reschedule' ? 'it is started again' : 'it ends as Crashed'],
    ['Log level', run.log_level],
    ['Run', <Mono key="id">{run.id}</Mono>],
  ]
  if (run.result !== null) where.push(['Result', <Mono key="result">{run.result.location}</Mono>])
  return (
    <div className="grid gap-6 lg:grid-cols-2">
      <Section title="Where">
        <Facts facts={where} />
      </Section>
      <Section title="Run config">
        <p className="mb-2">
          {kind}: {RUN_CONFIGS[kind]}
        </p>
        <CopyText text={JSON.stringify(run.run_config, null, 2)} />
      </Section>
      {version && (
        <>
          <Section title="Executor">
            <CopyText text={JSON.stringify(version.structure.executor ?? { kind: 'local' }, null, 2)} />
          </Section>
          <Section title="Content">
            <Facts
              facts={[
                ['Storage', <Mono key="storage">{JSON.stringify(version.version.storage)}</Mono>],
                ['SHA-256', <Mono key="sha">{version.version.content_sha256}</Mono>],
                ['Python', version.version.python_version],
                ['Headrace', version.version.headrace_version],
              ]}
            />
          </Section>
        </>
      )}
    </div>
  )
}

function Mono({ children }: { children: ReactNode }) {
  return <span className="font-mono wrap-anywhere">{children}</span>
}

import { Link } from '@tanstack/react-router'
import { Trash2 } from 'lucide-react'
import type { Agent, AgentRun } from '@/api/generated'
import { AgentHealth } from '@/ui/AgentHealth'
import { Badge } from '@/ui/Badge'
import { IconButton } from '@/ui/Button'
import { Facts } from '@/ui/Facts'
import { StateIcon } from '@/ui/StateBadge'
import { stateWords } from '@/ui/states'
import { Time } from '@/ui/Time'

interface AgentCardProps {
  agent: Agent
  onRemove?: (() => void) | undefined
}

export function AgentCard({ agent, onRemove }: AgentCardProps) {
  return (
    <article
      aria-label={agent.name}
      className="flex h-full flex-col gap-3 rounded-md border border-line bg-surface p-4"
    >
      <div className="flex items-center gap-2">
        <h2 className="min-w-0 flex-1 truncate text-base" title={agent.name}>
          {agent.name}
        </h2>
        <AgentHealth health={agent.health} draining={agent.draining} />
        {onRemove && <IconButton label={`Remove ${agent.name}`} icon={Trash2} onClick={onRemove} />}
      </div>
      <div className="flex flex-wrap gap-1">
        {agent.labels.map((label) => (
          <Badge key={label}>{label}</Badge>
        ))}
        {agent.labels.length === 0 && <span className="text-sm text-muted">no labels</span>}
      </div>
      <Facts
        facts={[
          ['Last contact', <Time key="contact" at={agent.last_contact_at} />],
          ['Host', agent.host || '–'],
          ['Launches', agent.launches.join(', ') || '–'],
          ['Unlabelled runs', agent.takes_unlabelled ? 'taken' : 'left to others'],
          ['Waiting runs it could take', agent.could_take.toLocaleString()],
          ['Version', agent.headrace_version || '–'],
          ['Key', agent.key_name || '–'],
        ]}
      />
      <Runs title="In hand" runs={agent.runs_in_hand} none="Nothing at the moment." />
      <Runs title="Last runs" runs={agent.last_runs} none="None yet." />
    </article>
  )
}

function Runs({ title, runs, none }: { title: string; runs: readonly AgentRun[]; none: string }) {
  return (
    <div>
      <h3 className="mb-1 text-sm text-muted">{title}</h3>
      {runs.length === 0 && <p className="text-sm text-muted">{none}</p>}
      <ul className="flex flex-col">
        {runs.map((run) => (
          <li key={run.id} className="flex min-h-6 items-center gap-2 text-sm">
            <StateIcon type={run.state} label={stateWords(run.state)} />
            <Link
              to="/flow-runs/$flowRunId"
              params={{ flowRunId: run.id }}
              title={`${run.project}/${run.flow} · ${run.name}`}
              className="min-w-0 flex-1 truncate hover:underline"
            >
              {run.flow} <span className="text-muted">{run.name}</span>
            </Link>
            <span className="text-muted">
              <Time at={run.at} />
            </span>
          </li>
        ))}
      </ul>
    </div>
  )
}

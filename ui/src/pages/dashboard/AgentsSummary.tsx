import { Link } from '@tanstack/react-router'
import { AgentHealth } from '@/ui/AgentHealth'
import { CopyText } from '@/ui/CopyButton'
import { Section } from '@/ui/Section'

const HEALTHS = ['healthy', 'late', 'gone'] as const

export function AgentsSummary({ agents }: { agents: Record<string, number> }) {
  const shown = HEALTHS.filter((health) => (agents[health] ?? 0) > 0)
  return (
    <Section title="Agents">
      {shown.length === 0 ? (
        <div className="flex flex-col gap-2">
          <p className="text-muted">No agent is connected. Start one where the work is to be done:</p>
          <CopyText text="headrace agent" label="Copy the command" />
        </div>
      ) : (
        <ul className="flex flex-wrap gap-4">
          {shown.map((health) => (
            <li key={health}>
              <Link
                to="/agents"
                search={{ health }}
                className="flex items-center gap-2 rounded-sm hover:underline"
              >
                <AgentHealth health={health} />
                <span className="tabular">{(agents[health] ?? 0).toLocaleString()}</span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Section>
  )
}

import type { ReactNode } from 'react'
import type { EdgeSpec, TaskSpec } from '@/api/generated'
import { Badge } from '@/ui/Badge'
import { Facts } from '@/ui/Facts'
import { SideCard } from '@/ui/SideCard'
import { formatSeconds } from '@/ui/times'

interface TaskCardProps {
  task: TaskSpec
  edges: readonly EdgeSpec[]
  onClose: () => void
}

/** What a task is: kind, trigger, retries and what it is connected with. */
export function TaskCard({ task, edges, onClose }: TaskCardProps) {
  const { slug, name, kind = 'task', trigger = 'all_successful', retries = 0, tags = [] } = task
  const facts: [string, ReactNode][] = [
    ['Kind', task.mapped ? `${kind}, mapped` : kind],
    ['Starts when', trigger.replaceAll('_', ' ')],
    ['Retries', retries === 0 ? 'none' : `${retries}, ${formatSeconds(task.retry_delay_seconds ?? 0)} apart`],
  ]
  if (task.timeout_seconds != null) facts.push(['Timeout', formatSeconds(task.timeout_seconds)])
  if (task.cache != null) facts.push(['Cache', task.cache])
  return (
    <SideCard
      label={`Task ${name}`}
      title={name}
      subtitle={name === slug ? undefined : slug}
      of={slug}
      onClose={onClose}
    >
      {task.description && <p className="whitespace-pre-line">{task.description}</p>}
      <Facts facts={facts} />
      {tags.length > 0 && (
        <p className="flex flex-wrap gap-1">
          {tags.map((tag) => (
            <Badge key={tag}>{tag}</Badge>
          ))}
        </p>
      )}
      <Ends title="Takes from" ends={edges.filter((edge) => edge.downstream === slug)} end="upstream" />
      <Ends title="Gives to" ends={edges.filter((edge) => edge.upstream === slug)} end="downstream" />
    </SideCard>
  )
}

/** How an edge carries data: "as rows, one by one". */
function how(edge: EdgeSpec): string {
  const parts = [
    edge.key ? `as ${edge.key}` : 'order only',
    edge.mapped ? 'one by one' : '',
    edge.flattened ? 'flattened' : '',
    edge.case ? `when ${edge.case}` : '',
  ]
  return parts.filter(Boolean).join(', ')
}

const SHOWN = 20

function Ends({ title, ends, end }: { title: string; ends: EdgeSpec[]; end: 'upstream' | 'downstream' }) {
  if (ends.length === 0) return null
  return (
    <div>
      <h3 className="mb-1 text-sm text-muted">{title}</h3>
      <ul className="flex flex-col gap-0.5 text-sm">
        {ends.slice(0, SHOWN).map((edge, index) => (
          <li key={index} className="flex justify-between gap-2">
            <span className="min-w-0 truncate font-mono">{edge[end]}</span>
            <span className="text-muted">{how(edge)}</span>
          </li>
        ))}
        {ends.length > SHOWN && <li className="text-muted">and {ends.length - SHOWN} more</li>}
      </ul>
    </div>
  )
}

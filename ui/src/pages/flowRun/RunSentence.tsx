import { Link } from '@tanstack/react-router'
import { ArrowRight } from 'lucide-react'
import type { FlowRun } from '@/api/generated'
import { causeOf, stateSentence } from '@/pages/flowRun/parts'
import { Badge } from '@/ui/Badge'
import { isFinished } from '@/ui/states'
import { StateBar } from '@/ui/StateBar'

/** What the state means, why the run waits, and how far it is. */
export function RunSentence({ run }: { run: FlowRun }) {
  const { waits } = run
  // A paused run says so itself: the same in other words is not worth a line.
  const told = waits?.code === 'paused'
  const cause = run.waits === null ? undefined : causeOf(run.waits.code)
  const link = 'inline-flex items-center gap-1 text-accent underline-offset-2 hover:underline'
  return (
    <div className="mb-4 flex flex-col gap-2">
      <p className="max-w-prose wrap-anywhere whitespace-pre-line first-letter:uppercase">
        {stateSentence(run)} {told && <Badge>{waits.code}</Badge>}
      </p>
      {run.waits !== null && !told && !isFinished(run.state.type) && (
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1 border-l-4 border-submitted pl-3">
          <span>{run.waits.sentence}</span>
          <Badge>{run.waits.code}</Badge>
          {cause?.to === 'agents' && (
            <Link to="/agents" className={link}>
              {cause.label} <ArrowRight aria-hidden size={14} />
            </Link>
          )}
          {cause?.to === 'flow' && (
            <Link to="/flows/$flowId" params={{ flowId: run.flow_id }} className={link}>
              {cause.label} <ArrowRight aria-hidden size={14} />
            </Link>
          )}
        </p>
      )}
      <StateBar states={run.task_states} total={run.tasks} noun="tasks" />
    </div>
  )
}

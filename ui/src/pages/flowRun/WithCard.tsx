import type { ReactNode } from 'react'
import type { FlowRun } from '@/api/generated'
import { taskChoice } from '@/pages/flowRun/parts'
import { TaskRunCard } from '@/pages/flowRun/TaskRunCard'
import { useSelected } from '@/pages/flowRun/useRun'

/** A list of task runs with the card of the selected one beside it (below it on a narrow screen). */
export function WithCard({ run, children }: { run: FlowRun; children: ReactNode }) {
  const [selected] = useSelected()
  const choice = taskChoice(selected)
  return (
    <div className="flex flex-col gap-3 lg:flex-row lg:items-start">
      <div className="min-w-0 flex-1">{children}</div>
      {choice !== undefined && <TaskRunCard run={run} choice={choice} />}
    </div>
  )
}

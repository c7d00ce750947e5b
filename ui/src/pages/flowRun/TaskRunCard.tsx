import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { History } from 'lucide-react'
import { isMissing } from '@/api/client'
import { lastLinesQuery } from '@/api/logs'
import type { FlowRun, ResultRef, State } from '@/api/generated'
import { useMay } from '@/api/me'
import { taskRunQuery } from '@/api/runs'
import type { TaskChoice } from '@/pages/flowRun/parts'
import { useNames, useSelected, useTaskRuns } from '@/pages/flowRun/useRun'
import { buttonClass } from '@/ui/Button'
import { CopyText } from '@/ui/CopyButton'
import { ErrorState } from '@/ui/EmptyState'
import { Facts } from '@/ui/Facts'
import { clockTime } from '@/ui/localTimes'
import { ansi } from '@/ui/logs/ansi'
import { SideCard } from '@/ui/SideCard'
import { SkeletonRows } from '@/ui/Skeleton'
import { StateBadge } from '@/ui/StateBadge'
import { StateBar } from '@/ui/StateBar'
import { isFinished } from '@/ui/states'
import { Duration, Time } from '@/ui/Time'
import { exactTime } from '@/ui/times'

const LINES = 12

/** One task run: its states, attempts, result and the end of its log. */
export function TaskRunCard({ run, choice }: { run: FlowRun; choice: TaskChoice }) {
  const { slug, mapIndex } = choice
  const names = useNames(run)
  const name = names.get(slug) ?? slug
  const [, select] = useSelected()
  const mayRun = useMay('run')
  const listed = useTaskRuns(run).data?.some((task) => task.slug === slug) ?? true
  const query = useQuery({ ...taskRunQuery(run.id, slug, mapIndex), enabled: listed })
  const missing = !listed || isMissing(query.error)
  const title = mapIndex < 0 ? name : `${name} [${mapIndex}]`
  return (
    <SideCard
      wide
      label={`Task run ${title}`}
      title={title}
      subtitle={name === slug ? undefined : slug}
      of={title}
      onClose={() => select(undefined)}
    >
      {missing ? (
        <p className="text-muted">{absence(run, names.has(slug), mapIndex)}</p>
      ) : query.data === undefined ? (
        query.error ? (
          <ErrorState error={query.error} retry={() => void query.refetch()} />
        ) : (
          <SkeletonRows rows={4} />
        )
      ) : (
        <>
          <Facts
            facts={[
              ['State', <StateBadge key="state" state={query.data.task_run.state} />],
              ['Attempt', query.data.task_run.attempt],
              ['Started', <Time key="started" at={query.data.task_run.started_at} missing="not yet" />],
              [
                'Took',
                <Duration
                  key="took"
                  from={query.data.task_run.started_at}
                  until={query.data.task_run.finished_at}
                />,
              ],
            ]}
          />
          {Object.keys(query.data.task_run.children).length > 0 && (
            <StateBar states={query.data.task_run.children} noun="children" />
          )}
          <States states={query.data.states} />
          <Result result={query.data.task_run.result} />
          {mayRun && isFinished(run.state.type) && (
            <Link
              to="."
              search={(before) => ({
                ...before,
                ask: 'rerun',
                from: mapIndex < 0 ? slug : `${slug}[${mapIndex}]`,
              })}
              className={buttonClass('plain', 'self-start')}
            >
              <History aria-hidden size={16} />
              Re-run from here
            </Link>
          )}
        </>
      )}
      {!missing && <LastLines run={run} choice={choice} />}
    </SideCard>
  )
}

/** Why there is nothing to show of a task run. */
function absence(run: FlowRun, isTask: boolean, mapIndex: number): string {
  if (!isTask) return `${run.flow} has no such task.`
  if (mapIndex >= 0) return 'There is no such child of this task.'
  return isFinished(run.state.type)
    ? 'The run ended before it was its turn.'
    : 'It has not been its turn yet.'
}

function States({ states }: { states: readonly State[] }) {
  return (
    <div>
      <h3 className="mb-1 text-sm text-muted">States</h3>
      <ol className="flex flex-col gap-1.5">
        {states.map((state, index) => (
          <li key={index} className="text-sm">
            <span className="flex items-center justify-between gap-2">
              <StateBadge state={state} />
              <time dateTime={state.at} title={exactTime(state.at)} className="tabular text-muted">
                {clockTime(state.at)}
              </time>
            </span>
            {state.message && (
              <span className="block wrap-anywhere whitespace-pre-wrap">{state.message}</span>
            )}
            {state.due_at && index === states.length - 1 && (
              <span className="block text-muted">
                goes on <Time at={state.due_at} />
              </span>
            )}
          </li>
        ))}
      </ol>
    </div>
  )
}

function Result({ result }: { result: ResultRef | null }) {
  if (result === null) return null
  const size = result.size === undefined || result.size === 0 ? '' : `, ${bytes(result.size)}`
  return (
    <div>
      <h3 className="mb-1 text-sm text-muted">
        Result{result.kind ? `: ${result.kind}` : ''}
        {size}
      </h3>
      <CopyText text={result.location} label="Copy the location" />
    </div>
  )
}

/** "1.4 MB". */
function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, size)) / 3))
  return `${(size / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step] ?? ''}`
}

function LastLines({ run, choice: { slug, mapIndex } }: { run: FlowRun; choice: TaskChoice }) {
  const query = { task: slug, map_index: mapIndex < 0 ? null : mapIndex }
  const lines = useQuery(lastLinesQuery(run.id, query, LINES))
  return (
    <div>
      <h3 className="mb-1 flex justify-between gap-2 text-sm text-muted">
        Last lines
        <Link
          to="."
          search={(before) => ({ task: before.task, tab: 'logs', of: slug })}
          className="text-accent hover:underline"
        >
          All its lines
        </Link>
      </h3>
      {lines.data === undefined ? (
        lines.error ? (
          <p className="text-sm text-failed">{lines.error.message}</p>
        ) : (
          <SkeletonRows rows={3} />
        )
      ) : lines.data.length === 0 ? (
        <p className="text-sm text-muted">It wrote none.</p>
      ) : (
        <ol
          tabIndex={0}
          aria-label="Last lines"
          className="max-h-60 overflow-auto rounded-md border border-line bg-raised px-2 py-1 font-mono text-xs leading-5"
        >
          {lines.data.map((line) => (
            <li key={line.number} className="wrap-anywhere whitespace-pre-wrap">
              {ansi(line.message)}
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}

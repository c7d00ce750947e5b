import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ListChecks } from 'lucide-react'
import type { Flow, FlowRun } from '@/api/generated'
import { flowRunsQuery } from '@/api/runs'
import { listOf } from '@/frame/listOf'
import { useSearchState } from '@/frame/search'
import { actorWords } from '@/pages/flowRun/parts'
import { Button } from '@/ui/Button'
import { EmptyState } from '@/ui/EmptyState'
import { Select } from '@/ui/Field'
import { List } from '@/ui/List'
import { SearchInput } from '@/ui/SearchInput'
import { StateBadge } from '@/ui/StateBadge'
import { StateBar } from '@/ui/StateBar'
import { STATE_ICONS } from '@/ui/states'
import { type Column, Table } from '@/ui/Table'
import { Duration, Time } from '@/ui/Time'

const COLUMNS: readonly Column<FlowRun>[] = [
  {
    title: 'Run',
    cell: (run) => (
      <Link
        to="/flow-runs/$flowRunId"
        params={{ flowRunId: run.id }}
        className="block min-w-28 truncate font-medium hover:underline"
      >
        {run.name}
      </Link>
    ),
    className: 'max-w-64',
  },
  {
    title: 'State',
    cell: (run) => <StateBadge state={run.state} late={run.late} unreachable={run.unreachable} />,
  },
  {
    title: 'Tasks',
    cell: (run) => (
      <span className="block w-28">
        <StateBar states={run.task_states} total={run.tasks} noun="tasks" />
      </span>
    ),
    from: 'md',
  },
  { title: 'Started', cell: (run) => <Time at={run.started_at ?? run.due_at} />, from: 'sm' },
  { title: 'Took', cell: (run) => <Duration from={run.started_at} until={run.finished_at} />, numeric: true },
  { title: 'Version', cell: (run) => run.version, numeric: true, from: 'lg' },
  {
    title: 'Started by',
    cell: (run) => actorWords(run.created_by),
    from: 'lg',
    className: 'max-w-48 truncate',
  },
]

/** The flow's runs, newest first. */
export function FlowRuns({ flow }: { flow: Flow }) {
  const [search, setSearch] = useSearchState()
  const { state = '', find = '' } = search
  const query = useInfiniteQuery(
    flowRunsQuery({ flow_id: flow.id, search: find || null, ...(state && { state: [state] }) }),
  )
  return (
    <>
      <div className="mb-3 flex flex-wrap gap-2 max-sm:*:flex-1">
        <SearchInput
          label="Search runs"
          value={find}
          onChange={(next) => setSearch({ find: next }, 'series')}
        />
        <Select
          aria-label="State"
          className="max-w-40"
          value={state}
          onChange={(event) => setSearch({ state: event.target.value })}
        >
          <option value="">Any state</option>
          {Object.keys(STATE_ICONS).map((type) => (
            <option key={type}>{type}</option>
          ))}
        </Select>
      </div>
      <List {...listOf(query)} empty={<Empty flow={flow} filtered={state !== '' || find !== ''} />}>
        {(runs) => <Table label="Flow runs" columns={COLUMNS} rows={runs} rowKey={(run) => run.id} />}
      </List>
    </>
  )
}

function Empty({ flow, filtered }: { flow: Flow; filtered: boolean }) {
  const [, setSearch] = useSearchState()
  if (filtered)
    return (
      <EmptyState
        icon={ListChecks}
        title="No run matches"
        action={
          <Button onClick={() => setSearch({ state: undefined, find: undefined })}>Show all runs</Button>
        }
      />
    )
  return (
    <EmptyState
      icon={ListChecks}
      title="No runs yet"
      command={`headrace run ${flow.project}/${flow.name} --watch`}
    >
      Press Run above, or run it from a terminal.
    </EmptyState>
  )
}

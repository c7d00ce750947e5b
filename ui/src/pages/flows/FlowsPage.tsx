import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Play, Waypoints } from 'lucide-react'
import { flowsQuery } from '@/api/flows'
import type { Flow } from '@/api/generated'
import { useLive } from '@/api/live'
import { useMay } from '@/api/me'
import { projectsQuery } from '@/api/projects'
import { listOf } from '@/frame/listOf'
import { Page } from '@/frame/Page'
import { ProjectSelect } from '@/ui/ProjectSelect'
import { useSearchState } from '@/frame/search'
import { RunStrip } from '@/pages/flows/RunStrip'
import { buttonClass } from '@/ui/Button'
import { EmptyState } from '@/ui/EmptyState'
import { List } from '@/ui/List'
import { SearchInput } from '@/ui/SearchInput'
import { StateBadge } from '@/ui/StateBadge'
import { type Column, Table } from '@/ui/Table'
import { Time } from '@/ui/Time'
import { formatSeconds } from '@/ui/times'

function FlowName({ flow }: { flow: Flow }) {
  return (
    <div className="flex min-w-40 flex-col py-0.5">
      <span className="flex flex-wrap items-center gap-2">
        <Link to="/flows/$flowId" params={{ flowId: flow.id }} className="font-medium hover:underline">
          {flow.name}
        </Link>
        {flow.paused && <StateBadge state={{ type: 'Paused', name: 'Paused' }} />}
      </span>
      <span className="text-sm text-muted">{flow.project}</span>
    </div>
  )
}

const COLUMNS: readonly Column<Flow>[] = [
  { title: 'Flow', cell: (flow) => <FlowName flow={flow} />, className: 'w-full' },
  { title: 'Last runs', cell: (flow) => <RunStrip runs={flow.last_runs} /> },
  { title: 'Next run', cell: (flow) => <Time at={flow.next_run_at} />, from: 'lg' },
  {
    title: 'Success',
    cell: (flow) => (flow.success_rate === null ? '–' : `${Math.floor(flow.success_rate * 100)} %`),
    numeric: true,
    from: 'md',
  },
  {
    title: 'Median',
    cell: (flow) => (flow.median_seconds === null ? '–' : formatSeconds(flow.median_seconds)),
    numeric: true,
    from: 'md',
    className: 'whitespace-nowrap',
  },
  { title: 'Version', cell: (flow) => flow.current_version, numeric: true, from: 'lg' },
]

const RUN: Column<Flow> = {
  title: 'Run',
  quiet: true,
  from: 'sm',
  cell: (flow) => (
    <Link
      to="/flows/$flowId"
      params={{ flowId: flow.id }}
      search={{ run: 'new' }}
      aria-label={`Run ${flow.name}`}
      className={buttonClass('plain')}
    >
      <Play aria-hidden size={14} />
      Run
    </Link>
  ),
}

export function FlowsPage() {
  const [search, setSearch] = useSearchState()
  const mayRun = useMay('run')
  const { project, search: text } = search
  const query = useInfiniteQuery(flowsQuery({ project: project ?? null, search: text ?? null }))
  const projects = useQuery(projectsQuery).data?.items ?? []
  useLive(['flows', 'flow_runs'])
  const filtered = Boolean(project ?? text)

  return (
    <Page
      title="Flows"
      actions={
        <>
          <ProjectSelect
            projects={projects}
            value={project}
            onChange={(next) => setSearch({ project: next })}
          />
          <SearchInput
            label="Search flows"
            value={text ?? ''}
            onChange={(next) => setSearch({ search: next }, 'series')}
          />
        </>
      }
    >
      <List {...listOf(query)} empty={<Empty filtered={filtered} />}>
        {(flows) => (
          <Table
            label="Flows"
            columns={mayRun ? [...COLUMNS, RUN] : COLUMNS}
            rows={flows}
            rowKey={(flow) => flow.id}
          />
        )}
      </List>
    </Page>
  )
}

function Empty({ filtered }: { filtered: boolean }) {
  if (filtered) {
    return (
      <EmptyState icon={Waypoints} title="No flow matches">
        Choose another project or search for less.
      </EmptyState>
    )
  }
  return (
    <EmptyState icon={Waypoints} title="No flows yet" command="headrace register my_flow.py --project demo">
      A flow appears here as soon as it is registered. Only its structure comes to this server, never its
      code.
    </EmptyState>
  )
}

import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { CalendarRange, History, ListChecks, ScrollText, Server, Workflow } from 'lucide-react'
import type { FlowRun } from '@/api/generated'
import { useLive } from '@/api/live'
import { flowRunQuery } from '@/api/runs'
import { type Crumb, Page } from '@/frame/Page'
import { useSearchState } from '@/frame/search'
import { HistoryTab } from '@/pages/flowRun/HistoryTab'
import { InfrastructureTab } from '@/pages/flowRun/InfrastructureTab'
import { LogPanel } from '@/pages/flowRun/LogPanel'
import { RunActions } from '@/pages/flowRun/RunActions'
import { RunFacts } from '@/pages/flowRun/RunFacts'
import { RunSentence } from '@/pages/flowRun/RunSentence'
import { SchematicTab } from '@/pages/flowRun/SchematicTab'
import { TasksTab } from '@/pages/flowRun/TasksTab'
import { TimelineTab } from '@/pages/flowRun/TimelineTab'
import { useStructure } from '@/pages/flowRun/useRun'
import { AwaitedPage } from '@/pages/problem/AwaitedPage'
import { StateBadge } from '@/ui/StateBadge'
import { isFinished } from '@/ui/states'
import { type Tab, Tabs } from '@/ui/Tabs'

const TABS = [
  { value: 'timeline', label: 'Timeline', icon: CalendarRange },
  { value: 'schematic', label: 'Schematic', icon: Workflow },
  { value: 'tasks', label: 'Tasks', icon: ListChecks },
  { value: 'logs', label: 'Logs', icon: ScrollText },
  { value: 'infrastructure', label: 'Infrastructure', icon: Server },
  { value: 'history', label: 'History', icon: History },
] as const satisfies readonly Tab<string>[]

const FLOWS: Crumb = { label: 'Flows', link: { to: '/flows' } }

type TabName = (typeof TABS)[number]['value']

export function FlowRunPage() {
  const { flowRunId } = useParams({ strict: false })
  const run = useQuery(flowRunQuery(flowRunId ?? ''))
  if (run.data !== undefined) return <Shown run={run.data} />
  return <AwaitedPage what="flow run" above={[FLOWS]} query={run} />
}

function Shown({ run }: { run: FlowRun }) {
  const [search, setSearch] = useSearchState()
  const finished = isFinished(run.state.type)
  useLive(finished ? [] : [`flow_run:${run.id}`, `logs:${run.id}`])
  const tab = TABS.find(({ value }) => value === search.tab)?.value ?? 'timeline'
  return (
    <Page
      title={`${run.name} · ${run.flow}`}
      above={[FLOWS, { label: run.flow, link: { to: '/flows/$flowId', params: { flowId: run.flow_id } } }]}
      heading={
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <StateBadge state={run.state} late={run.late} unreachable={run.unreachable} />
          <span className="min-w-0 wrap-anywhere">{run.name}</span>
        </span>
      }
      actions={<RunActions run={run} />}
    >
      <RunSentence run={run} />
      <RunFacts run={run} />
      <Tabs
        label="Flow run"
        tabs={TABS}
        value={tab}
        onChange={(next) => setSearch({ tab: next === 'timeline' ? undefined : next })}
      >
        <TabPanel tab={tab} run={run} />
      </Tabs>
    </Page>
  )
}

function TabPanel({ tab, run }: { tab: TabName; run: FlowRun }) {
  switch (tab) {
    case 'timeline':
      return <TimelineTab run={run} />
    case 'schematic':
      return <SchematicTab run={run} />
    case 'tasks':
      return <TasksTab run={run} />
    case 'logs':
      return <Logs run={run} />
    case 'infrastructure':
      return <InfrastructureTab run={run} />
    case 'history':
      return <HistoryTab run={run} />
  }
}

function Logs({ run }: { run: FlowRun }) {
  const tasks = useStructure(run).data?.structure.tasks ?? []
  const writing = tasks.filter((task) => task.kind !== 'parameter')
  return <LogPanel flowRunId={run.id} finished={isFinished(run.state.type)} tasks={writing} />
}

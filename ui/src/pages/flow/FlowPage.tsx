import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { Layers, ListChecks, Play, SlidersHorizontal, Workflow } from 'lucide-react'
import { flowQuery } from '@/api/flows'
import type { Flow } from '@/api/generated'
import { useLive } from '@/api/live'
import { useMay } from '@/api/me'
import { type Crumb, Page } from '@/frame/Page'
import { useSearchState } from '@/frame/search'
import { FlowHeader } from '@/pages/flow/FlowHeader'
import { FlowRuns } from '@/pages/flow/FlowRuns'
import { FlowSchematic } from '@/pages/flow/FlowSchematic'
import { ParametersTab } from '@/pages/flow/ParametersTab'
import { RunDialog } from '@/pages/flow/RunDialog'
import { VersionsTab } from '@/pages/flow/VersionsTab'
import { AwaitedPage } from '@/pages/problem/AwaitedPage'
import { Badge } from '@/ui/Badge'
import { Button } from '@/ui/Button'
import { type Tab, Tabs } from '@/ui/Tabs'

const TABS = [
  { value: 'runs', label: 'Runs', icon: ListChecks },
  { value: 'schematic', label: 'Schematic', icon: Workflow },
  { value: 'versions', label: 'Versions', icon: Layers },
  { value: 'parameters', label: 'Parameters', icon: SlidersHorizontal },
] as const satisfies readonly Tab<string>[]

const ABOVE: readonly [Crumb] = [{ label: 'Flows', link: { to: '/flows' } }]

type TabName = (typeof TABS)[number]['value']

export function FlowPage() {
  const { flowId } = useParams({ strict: false })
  const flow = useQuery(flowQuery(flowId ?? ''))
  useLive(['flows', 'flow_runs'])
  if (flow.data !== undefined) return <Shown flow={flow.data} />
  return <AwaitedPage what="flow" above={ABOVE} query={flow} />
}

function Shown({ flow }: { flow: Flow }) {
  const [search, setSearch] = useSearchState()
  const may = useMay('run')
  const tab = TABS.find(({ value }) => value === search.tab)?.value ?? 'runs'
  return (
    <Page
      title={flow.name}
      above={ABOVE}
      heading={
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <span className="min-w-0 wrap-anywhere">{flow.name}</span>
          <Badge title="Project">{flow.project}</Badge>
          <Badge title="Current version">version {flow.current_version}</Badge>
        </span>
      }
      actions={
        <Button
          variant="primary"
          icon={Play}
          disabled={!may}
          title={
            may ? undefined : 'Your role may look, not run. An administrator can change it on the page Team.'
          }
          onClick={() => setSearch({ run: 'new' })}
        >
          Run
        </Button>
      }
    >
      <FlowHeader flow={flow} />
      <Tabs
        label="Flow"
        tabs={TABS}
        value={tab}
        onChange={(next) => setSearch({ tab: next === 'runs' ? undefined : next })}
      >
        <TabPanel tab={tab} flow={flow} />
      </Tabs>
      {search.run !== undefined && may && (
        <RunDialog
          key={search.run}
          flow={flow}
          from={search.run}
          onClose={() => setSearch({ run: undefined }, 'end')}
          onAnew={() => setSearch({ run: 'new' }, 'end')}
        />
      )}
    </Page>
  )
}

function TabPanel({ tab, flow }: { tab: TabName; flow: Flow }) {
  switch (tab) {
    case 'runs':
      return <FlowRuns flow={flow} />
    case 'schematic':
      return <FlowSchematic flow={flow} />
    case 'versions':
      return <VersionsTab flow={flow} />
    case 'parameters':
      return <ParametersTab flow={flow} />
  }
}

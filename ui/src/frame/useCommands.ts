import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Activity, Ban, BookOpen, type LucideIcon, Monitor, Moon, Play, Sun, Waypoints } from 'lucide-react'
import { useDeferredValue } from 'react'
import { flowsQuery } from '@/api/flows'
import type { Flow, FlowRun } from '@/api/generated'
import { useMay } from '@/api/me'
import { flowRunsQuery } from '@/api/runs'
import { PLACES } from '@/frame/navigation'
import { isFinished } from '@/ui/states'
import { setTheme } from '@/ui/theme'

export interface Command {
  key: string
  label: string
  detail?: string
  kind: 'Page' | 'Flow' | 'Run' | 'Action'
  icon: LucideIcon
  act: () => void
}

const SHOWN = 6
const RUN_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** What a text finds: pages and actions here and now, flows and runs from the server as it answers. */
export function useCommands(text: string): { commands: Command[]; busy: boolean } {
  const navigate = useNavigate()
  const mayRun = useMay('run')
  const wanted = useDeferredValue(text.trim())
  const asks = wanted.length >= 2
  const flows = useInfiniteQuery({
    ...flowsQuery({ search: wanted || null }),
    placeholderData: keepPreviousData,
  })
  const runs = useInfiniteQuery({
    ...flowRunsQuery({ search: wanted }),
    enabled: asks && !RUN_ID.test(wanted),
    placeholderData: keepPreviousData,
  })
  const foundFlows = flows.data?.pages[0]?.items.slice(0, SHOWN) ?? []
  const foundRuns = asks ? (runs.data?.pages[0]?.items.slice(0, SHOWN) ?? []) : []

  function openRun(flowRunId: string, search: Record<string, string> = {}): void {
    void navigate({ to: '/flow-runs/$flowRunId', params: { flowRunId }, search })
  }

  function openFlow(flow: Flow, search: Record<string, string>): void {
    void navigate({ to: '/flows/$flowId', params: { flowId: flow.id }, search })
  }

  const commands: Command[] = [
    ...PLACES.map(({ to, label, icon }): Command => {
      return { key: to, label, kind: 'Page', icon, act: () => void navigate({ to }) }
    }),
    {
      key: 'welcome',
      label: 'First steps',
      kind: 'Page' as const,
      icon: BookOpen,
      act: () => void navigate({ to: '/welcome' }),
    },
  ].filter((command) => matches(command.label, wanted))
  if (RUN_ID.test(wanted)) commands.push(runCommand({ id: wanted }, openRun))
  commands.push(
    ...foundFlows.map((flow): Command => {
      const detail = `in ${flow.project}`
      return {
        key: flow.id,
        label: flow.name,
        detail,
        kind: 'Flow',
        icon: Waypoints,
        act: () => openFlow(flow, {}),
      }
    }),
    ...foundRuns.map((run) => runCommand(run, openRun)),
  )
  if (mayRun && wanted) {
    commands.push(
      ...foundFlows.map((flow): Command => {
        const act = () => openFlow(flow, { run: 'new' })
        return { key: `run-${flow.id}`, label: `Run ${flow.name}`, kind: 'Action', icon: Play, act }
      }),
    )
  }
  if (mayRun) {
    commands.push(
      ...foundRuns
        .filter((run) => !isFinished(run.state.type) && !run.cancel_requested)
        .map((run): Command => {
          const act = () => openRun(run.id, { ask: 'cancel' })
          return { key: `cancel-${run.id}`, label: `Cancel ${run.name}`, kind: 'Action', icon: Ban, act }
        }),
    )
  }
  commands.push(...THEMES.filter((command) => matches(command.label, wanted)))
  return { commands, busy: flows.isFetching || runs.isFetching }
}

const THEMES: readonly Command[] = [
  { key: 'light', label: 'Light theme', kind: 'Action', icon: Sun, act: () => setTheme('light') },
  { key: 'dark', label: 'Dark theme', kind: 'Action', icon: Moon, act: () => setTheme('dark') },
  {
    key: 'system',
    label: 'Theme of the system',
    kind: 'Action',
    icon: Monitor,
    act: () => setTheme('system'),
  },
]

function matches(label: string, wanted: string): boolean {
  return label.toLowerCase().includes(wanted.toLowerCase())
}

function runCommand(run: Pick<FlowRun, 'id'> & Partial<FlowRun>, open: (id: string) => void): Command {
  return {
    key: run.id,
    label: run.name ?? `Run ${run.id}`,
    ...(run.flow ? { detail: `of ${run.flow}` } : {}),
    kind: 'Run',
    icon: Activity,
    act: () => open(run.id),
  }
}

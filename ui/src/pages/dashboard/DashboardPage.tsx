import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Overview } from '@/api/generated'
import { useLive } from '@/api/live'
import { overviewQuery } from '@/api/overview'
import { projectsQuery } from '@/api/projects'
import { Page } from '@/frame/Page'
import { useSearchState } from '@/frame/search'
import { AgentsSummary } from '@/pages/dashboard/AgentsSummary'
import { periodOf, PERIODS } from '@/pages/dashboard/periods'
import { NeedsALook, Running, Upcoming } from '@/pages/dashboard/RunLists'
import { Verdict } from '@/pages/dashboard/Verdict'
import { buttonClass } from '@/ui/Button'
import { EmptyState, ErrorState } from '@/ui/EmptyState'
import { Select } from '@/ui/Field'
import { ProjectSelect } from '@/ui/ProjectSelect'
import { Section } from '@/ui/Section'
import { SkeletonRows } from '@/ui/Skeleton'
import { StateBars } from '@/ui/StateBars'

export function DashboardPage() {
  const [search, setSearch] = useSearchState()
  const { project } = search
  const period = periodOf(search.period)
  const query = useQuery(
    overviewQuery({ project: project ?? null, hours: period.hours, buckets: period.buckets }),
  )
  const projects = useQuery(projectsQuery).data?.items ?? []
  useLive(['flow_runs', 'agents'])

  return (
    <Page
      title="Dashboard"
      actions={
        <>
          <ProjectSelect
            projects={projects}
            value={project}
            onChange={(next) => setSearch({ project: next })}
          />
          <Select
            aria-label="Period"
            className="w-40"
            value={period.value}
            onChange={(event) => setSearch({ period: event.target.value })}
          >
            {PERIODS.map(({ value, label }) => (
              <option key={value} value={value}>
                The {label}
              </option>
            ))}
          </Select>
        </>
      }
    >
      {query.data ? (
        <Answers overview={query.data} period={period} project={project} />
      ) : query.error ? (
        <ErrorState error={query.error} retry={() => void query.refetch()} />
      ) : (
        <SkeletonRows rows={10} />
      )}
    </Page>
  )
}

interface AnswersProps {
  overview: Overview
  period: (typeof PERIODS)[number]
  project: string | undefined
}

function Answers({ overview, period, project }: AnswersProps) {
  if (overview.flows === 0) return <NoFlows project={project} />
  return (
    <div className="flex flex-col gap-8">
      <Verdict overview={overview} period={period.label} />
      <Section title={`Runs of the ${period.label}`}>
        <StateBars buckets={overview.buckets} states={overview.states} />
      </Section>
      <div className="grid gap-8 lg:grid-cols-2">
        <NeedsALook runs={overview.needs_a_look} />
        <Running runs={overview.running} />
        <Upcoming runs={overview.upcoming} />
        <AgentsSummary agents={overview.agents} />
      </div>
    </div>
  )
}

function NoFlows({ project }: { project: string | undefined }) {
  return (
    <EmptyState
      title={project === undefined ? 'No flows yet' : `No flows in ${project} yet`}
      command={`headrace register my_flow.py --project ${project ?? 'demo'}`}
      action={
        <Link to="/welcome" className={buttonClass('primary')}>
          First steps
        </Link>
      }
    >
      Register one, and its runs are shown here.
    </EmptyState>
  )
}

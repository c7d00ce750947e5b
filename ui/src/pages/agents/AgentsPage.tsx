import { useInfiniteQuery } from '@tanstack/react-query'
import { Bot } from 'lucide-react'
import { useState } from 'react'
import { agentsQuery, useDeleteAgent } from '@/api/agents'
import type { Agent } from '@/api/generated'
import { useLive } from '@/api/live'
import { useMay } from '@/api/me'
import { listOf } from '@/frame/listOf'
import { Page } from '@/frame/Page'
import { useSearchState } from '@/frame/search'
import { AgentCard } from '@/pages/agents/AgentCard'
import { ConfirmDialog } from '@/ui/Dialog'
import { EmptyState } from '@/ui/EmptyState'
import { Select } from '@/ui/Field'
import { List } from '@/ui/List'
import { SearchInput } from '@/ui/SearchInput'

export function AgentsPage() {
  const [search, setSearch] = useSearchState()
  const mayRemove = useMay('administer')
  const remove = useDeleteAgent()
  const [removing, setRemoving] = useState<Agent | null>(null)
  const { health, label } = search
  const query = useInfiniteQuery(agentsQuery({ health: health ?? null, label: label ?? null }))
  useLive(['agents'])

  return (
    <Page
      title="Agents"
      actions={
        <>
          <Select
            aria-label="Health"
            className="w-32"
            value={health ?? ''}
            onChange={(event) => setSearch({ health: event.target.value })}
          >
            <option value="">Any health</option>
            <option value="healthy">Healthy</option>
            <option value="late">Late</option>
            <option value="gone">Gone</option>
          </Select>
          <SearchInput
            label="With the label"
            value={label ?? ''}
            onChange={(next) => setSearch({ label: next }, 'series')}
          />
        </>
      }
    >
      <List {...listOf(query)} empty={<Empty filtered={Boolean(health ?? label)} />}>
        {(agents) => (
          <ul
            aria-label="Agents"
            className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,21rem),1fr))] gap-4"
          >
            {agents.map((agent) => (
              <li key={agent.id}>
                <AgentCard agent={agent} onRemove={mayRemove ? () => setRemoving(agent) : undefined} />
              </li>
            ))}
          </ul>
        )}
      </List>
      <ConfirmDialog
        open={removing !== null}
        onOpenChange={(open) => {
          if (!open) setRemoving(null)
        }}
        title={`Remove the agent ${removing?.name ?? ''}?`}
        action="Remove"
        onConfirm={() => remove.mutateAsync(removing?.id ?? '')}
      >
        <p>Its runs stay. An agent that is alive registers itself again at its next heartbeat.</p>
      </ConfirmDialog>
    </Page>
  )
}

function Empty({ filtered }: { filtered: boolean }) {
  if (filtered) return <EmptyState icon={Bot} title="No agent matches" />
  return (
    <EmptyState icon={Bot} title="No agent is connected" command="headrace agent">
      An agent asks this server for runs and launches them where it is. Nothing runs without one.
    </EmptyState>
  )
}

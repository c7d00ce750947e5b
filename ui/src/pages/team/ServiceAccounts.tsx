import { useInfiniteQuery } from '@tanstack/react-query'
import { KeyRound, Plus, Trash2, Workflow } from 'lucide-react'
import { useState } from 'react'
import { serviceAccountsQuery, useDeleteServiceAccount } from '@/api/accounts'
import type { ServiceAccount } from '@/api/generated'
import { listOf } from '@/frame/listOf'
import { useSearchState } from '@/frame/search'
import { Keys } from '@/pages/keys/Keys'
import { NewServiceAccountDialog } from '@/pages/team/NewServiceAccountDialog'
import { Button, IconButton } from '@/ui/Button'
import { ConfirmDialog, Dialog } from '@/ui/Dialog'
import { EmptyState } from '@/ui/EmptyState'
import { List } from '@/ui/List'
import { Section } from '@/ui/Section'
import { stateWords } from '@/ui/states'
import { type Column, Table } from '@/ui/Table'
import { Time } from '@/ui/Time'

/** Accounts of agents and CI. The one whose keys are open is in the address. */
export function ServiceAccounts() {
  const [search, setSearch] = useSearchState()
  const query = useInfiniteQuery(serviceAccountsQuery)
  const list = listOf(query)
  const remove = useDeleteServiceAccount()
  const [adding, setAdding] = useState(false)
  const [removing, setRemoving] = useState<ServiceAccount | null>(null)
  const shown = list.rows?.find((account) => account.id === search.account)
  const columns: readonly Column<ServiceAccount>[] = [
    {
      title: 'Name',
      cell: (account) => <span className="font-medium">{account.name}</span>,
      className: 'w-full',
    },
    { title: 'Role', cell: (account) => stateWords(account.role) },
    { title: 'Made by', cell: (account) => account.created_by, from: 'lg' },
    { title: 'Made', cell: (account) => <Time at={account.created_at} />, from: 'md' },
    {
      title: 'Keys',
      cell: (account) => (
        <Button
          icon={KeyRound}
          aria-label={`${account.keys} keys of ${account.name}`}
          onClick={() => setSearch({ account: account.id })}
        >
          {account.keys}
        </Button>
      ),
    },
    {
      title: 'Remove',
      quiet: true,
      cell: (account) => (
        <IconButton label={`Remove ${account.name}`} icon={Trash2} onClick={() => setRemoving(account)} />
      ),
    },
  ]
  return (
    <Section
      title="Service accounts"
      aside={
        <Button icon={Plus} onClick={() => setAdding(true)}>
          New service account
        </Button>
      }
    >
      <List
        {...list}
        empty={
          <EmptyState icon={Workflow} title="No service accounts yet">
            An agent on another machine, or CI that registers flows, signs in with a key of a service account.
          </EmptyState>
        }
      >
        {(accounts) => (
          <Table
            label="Service accounts"
            columns={columns}
            rows={accounts}
            rowKey={(account) => account.id}
          />
        )}
      </List>
      <NewServiceAccountDialog
        open={adding}
        onOpenChange={setAdding}
        onMade={(account) => setSearch({ account: account.id })}
      />
      <Dialog
        wide
        open={shown !== undefined}
        onOpenChange={() => setSearch({ account: undefined }, 'end')}
        title={shown?.name ?? ''}
      >
        {shown && <Keys serviceAccount={shown} />}
      </Dialog>
      <ConfirmDialog
        open={removing !== null}
        onOpenChange={() => setRemoving(null)}
        title={`Remove the service account ${removing?.name ?? ''}?`}
        action="Remove"
        onConfirm={() => remove.mutateAsync(removing?.id ?? '')}
      >
        <p>
          {removing?.keys === 1 ? 'Its key is' : `Its ${removing?.keys ?? 0} keys are`} refused from then on;
          agents that use {removing?.keys === 1 ? 'it' : 'them'} get no more runs.
        </p>
      </ConfirmDialog>
    </Section>
  )
}

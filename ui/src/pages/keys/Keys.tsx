import { useInfiniteQuery } from '@tanstack/react-query'
import { KeyRound, Plus } from 'lucide-react'
import { useState } from 'react'
import { keysQuery, useRevokeKey } from '@/api/accounts'
import type { Key } from '@/api/generated'
import { listOf } from '@/frame/listOf'
import { NewKeyDialog } from '@/pages/keys/NewKeyDialog'
import { Button } from '@/ui/Button'
import { ConfirmDialog } from '@/ui/Dialog'
import { EmptyState } from '@/ui/EmptyState'
import { List } from '@/ui/List'
import { Section } from '@/ui/Section'
import { type Column, Table } from '@/ui/Table'
import { Time } from '@/ui/Time'

interface KeysProps {
  /** A service account's keys; one's own where there is none. */
  serviceAccount?: { id: string; name: string }
}

/** API keys: made, shown once, revoked. */
export function Keys({ serviceAccount }: KeysProps) {
  const query = useInfiniteQuery(keysQuery(serviceAccount?.id ?? null))
  const revoke = useRevokeKey()
  const [making, setMaking] = useState(false)
  const [revoking, setRevoking] = useState<Key | null>(null)
  const columns: readonly Column<Key>[] = [
    { title: 'Name', cell: (key) => <span className="font-medium">{key.name}</span>, className: 'w-full' },
    {
      title: 'Begins with',
      cell: (key) => <code className="font-mono text-sm">{key.hint}…</code>,
      from: 'sm',
    },
    { title: 'Made', cell: (key) => <Time at={key.created_at} />, from: 'lg' },
    { title: 'Last used', cell: (key) => <Time at={key.last_used_at} missing="never" /> },
    { title: 'Expires', cell: (key) => <Expiry of={key} />, from: 'sm' },
    {
      title: 'Revoke',
      quiet: true,
      cell: (key) => (
        <Button aria-label={`Revoke ${key.name}`} onClick={() => setRevoking(key)}>
          Revoke
        </Button>
      ),
    },
  ]
  return (
    <Section
      title="API keys"
      aside={
        <Button icon={Plus} onClick={() => setMaking(true)}>
          New key
        </Button>
      }
    >
      <List
        {...listOf(query)}
        empty={
          <EmptyState icon={KeyRound} title="No keys yet">
            {serviceAccount
              ? `Make one and give it to ${serviceAccount.name}: agents and CI read it from HEADRACE_API_KEY.`
              : 'Make one for the command line or for a program that acts as you.'}
          </EmptyState>
        }
      >
        {(keys) => <Table label="API keys" columns={columns} rows={keys} rowKey={(key) => key.id} />}
      </List>
      <NewKeyDialog open={making} onOpenChange={setMaking} serviceAccount={serviceAccount} />
      <ConfirmDialog
        open={revoking !== null}
        onOpenChange={(open) => {
          if (!open) setRevoking(null)
        }}
        title={`Revoke the key ${revoking?.name ?? ''}?`}
        action="Revoke"
        onConfirm={() => revoke.mutateAsync(revoking?.id ?? '')}
      >
        <p>
          The next call made with it is refused. This cannot be undone; a new key can be made at any time.
        </p>
      </ConfirmDialog>
    </Section>
  )
}

function Expiry({ of: key }: { of: Key }) {
  if (key.expired) return <span className="text-failed">expired</span>
  return <Time at={key.expires_at} missing="never" />
}

import { useInfiniteQuery } from '@tanstack/react-query'
import {
  EllipsisVertical,
  UserRoundCheck,
  UserRoundPlus,
  UserRoundX,
  UsersRound,
  Trash2,
  Pencil,
} from 'lucide-react'
import { useState } from 'react'
import { useDeleteUser, usersQuery, useUpdateUser } from '@/api/accounts'
import type { User } from '@/api/generated'
import { useMay, useMe } from '@/api/me'
import { listOf } from '@/frame/listOf'
import { EditUserDialog } from '@/pages/team/EditUserDialog'
import { NewUserDialog } from '@/pages/team/NewUserDialog'
import { Badge } from '@/ui/Badge'
import { Button, IconButton } from '@/ui/Button'
import { ConfirmDialog } from '@/ui/Dialog'
import { EmptyState } from '@/ui/EmptyState'
import { List } from '@/ui/List'
import { Menu } from '@/ui/Menu'
import { Section } from '@/ui/Section'
import { stateWords } from '@/ui/states'
import { type Column, Table } from '@/ui/Table'
import { Time } from '@/ui/Time'

type Asking = { what: 'edit' | 'deactivate' | 'remove'; user: User } | null

const COLUMNS: readonly Column<User>[] = [
  {
    title: 'Name',
    className: 'w-full',
    cell: (user) => (
      <div className="min-w-28">
        <span className="flex flex-wrap items-center gap-2 font-medium">
          {user.name}
          {!user.active && <Badge>deactivated</Badge>}
        </span>
        <span className="text-sm break-all text-muted">{user.email}</span>
      </div>
    ),
  },
  { title: 'Role', cell: (user) => stateWords(user.role) },
  { title: 'Password', cell: (user) => (user.has_password ? 'set' : 'none'), from: 'lg' },
  { title: 'Last seen', cell: (user) => <Time at={user.last_seen_at} missing="never" />, from: 'sm' },
  { title: 'Added', cell: (user) => <Time at={user.created_at} />, from: 'lg' },
]

export function People() {
  const me = useMe()
  const administers = useMay('administer')
  const query = useInfiniteQuery(usersQuery)
  const [adding, setAdding] = useState(false)
  const [asking, setAsking] = useState<Asking>(null)
  const actions: Column<User> = {
    title: 'Actions',
    quiet: true,
    cell: (user) => (
      <Actions user={user} isMe={user.id === me.id} onAsk={(what) => setAsking({ what, user })} />
    ),
  }
  return (
    <Section
      title="People"
      aside={
        administers && (
          <Button icon={UserRoundPlus} onClick={() => setAdding(true)}>
            Add a person
          </Button>
        )
      }
    >
      <List {...listOf(query)} empty={<EmptyState icon={UsersRound} title="Nobody is here yet" />}>
        {(users) => (
          <Table
            label="People"
            columns={administers ? [...COLUMNS, actions] : COLUMNS}
            rows={users}
            rowKey={(user) => user.id}
          />
        )}
      </List>
      <NewUserDialog open={adding} onOpenChange={setAdding} />
      {asking && <Asked key={asking.user.id} asking={asking} onDone={() => setAsking(null)} />}
    </Section>
  )
}

interface ActionsProps {
  user: User
  isMe: boolean
  onAsk: (what: 'edit' | 'deactivate' | 'remove') => void
}

function Actions({ user, isMe, onAsk }: ActionsProps) {
  const update = useUpdateUser()
  const activate = {
    label: 'Activate',
    icon: UserRoundCheck,
    onSelect: () => update.mutate({ userId: user.id, active: true }),
  }
  const deactivate = {
    label: 'Deactivate',
    icon: UserRoundX,
    disabled: isMe,
    onSelect: () => onAsk('deactivate'),
  }
  return (
    <Menu
      trigger={<IconButton label={`Actions for ${user.name}`} icon={EllipsisVertical} />}
      items={[
        { label: 'Name and role', icon: Pencil, onSelect: () => onAsk('edit') },
        user.active ? deactivate : activate,
        { label: 'Remove', icon: Trash2, danger: true, disabled: isMe, onSelect: () => onAsk('remove') },
      ]}
    />
  )
}

function Asked({ asking, onDone }: { asking: NonNullable<Asking>; onDone: () => void }) {
  const update = useUpdateUser()
  const remove = useDeleteUser()
  const { user, what } = asking
  if (what === 'edit') return <EditUserDialog user={user} onDone={onDone} />
  if (what === 'deactivate') {
    return (
      <ConfirmDialog
        open
        onOpenChange={onDone}
        title={`Deactivate ${user.name}?`}
        action="Deactivate"
        onConfirm={() => update.mutateAsync({ userId: user.id, active: false })}
      >
        <p>They cannot sign in, and their keys are refused, until somebody activates them again.</p>
      </ConfirmDialog>
    )
  }
  return (
    <ConfirmDialog
      open
      onOpenChange={onDone}
      title={`Remove ${user.name}?`}
      action="Remove"
      onConfirm={() => remove.mutateAsync(user.id)}
    >
      <p>Their sessions end and their keys are refused for good. What they registered and ran stays.</p>
    </ConfirmDialog>
  )
}

import { type SyntheticEvent, useId, useState } from 'react'
import { useUpdateUser } from '@/api/accounts'
import type { User } from '@/api/generated'
import { formErrors } from '@/frame/formErrors'
import { RoleSelect } from '@/pages/team/RoleSelect'
import { USER_ROLES, type UserRole } from '@/pages/team/roles'
import { Button } from '@/ui/Button'
import { Dialog } from '@/ui/Dialog'
import { Field, FormError, TextInput } from '@/ui/Field'

export function EditUserDialog({ user, onDone }: { user: User; onDone: () => void }) {
  const form = useId()
  const update = useUpdateUser()
  const [name, setName] = useState(user.name)
  const [role, setRole] = useState(user.role as UserRole)
  const errors = formErrors(update.error, ['name', 'role'])

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    update.mutate({ userId: user.id, name, role }, { onSuccess: onDone })
  }

  return (
    <Dialog
      open
      onOpenChange={onDone}
      title={user.email}
      footer={
        <>
          <Button onClick={onDone}>Cancel</Button>
          <Button type="submit" form={form} variant="primary" busy={update.isPending}>
            Save
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <Field label="Name" error={errors.fields.name}>
          <TextInput required value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <RoleSelect roles={USER_ROLES} value={role} onChange={setRole} error={errors.fields.role} />
        <FormError error={errors.rest} />
      </form>
    </Dialog>
  )
}

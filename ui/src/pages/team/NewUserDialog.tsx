import { type SyntheticEvent, useId, useState } from 'react'
import { useCreateUser } from '@/api/accounts'
import { formErrors } from '@/frame/formErrors'
import { RoleSelect } from '@/pages/team/RoleSelect'
import { USER_ROLES, type UserRole } from '@/pages/team/roles'
import { Button } from '@/ui/Button'
import { CopyText } from '@/ui/CopyButton'
import { Dialog } from '@/ui/Dialog'
import { Field, FormError, TextInput } from '@/ui/Field'

interface NewUserDialogProps {
  open: boolean
  onOpenChange: (open: boolean) => void
}

/** Adds a person; they sign in by a link that is shown this once, and choose their own password. */
export function NewUserDialog({ open, onOpenChange }: NewUserDialogProps) {
  const form = useId()
  const create = useCreateUser()
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<UserRole>('member')

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    create.mutate({ name, email, role })
  }

  function change(next: boolean): void {
    onOpenChange(next)
    if (next) return
    create.reset()
    setName('')
    setEmail('')
    setRole('member')
  }

  if (create.data) {
    return (
      <Dialog
        open={open}
        onOpenChange={change}
        title={`${create.data.user.name} is added`}
        description="Send them this link. It signs them in once, and it is shown this once."
        footer={
          <Button variant="primary" onClick={() => change(false)}>
            I have copied it
          </Button>
        }
      >
        <CopyText text={new URL(create.data.link, window.location.origin).href} label="Copy the link" />
      </Dialog>
    )
  }
  const errors = formErrors(create.error, ['name', 'email', 'role'])
  return (
    <Dialog
      open={open}
      onOpenChange={change}
      title="Add a person"
      footer={
        <>
          <Button onClick={() => change(false)}>Cancel</Button>
          <Button type="submit" form={form} variant="primary" busy={create.isPending}>
            Add
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <Field label="Name" error={errors.fields.name}>
          <TextInput
            required
            autoComplete="off"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <Field label="Email" hint="They sign in with it." error={errors.fields.email}>
          <TextInput
            type="email"
            required
            autoComplete="off"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </Field>
        <RoleSelect roles={USER_ROLES} value={role} onChange={setRole} error={errors.fields.role} />
        <FormError error={errors.rest} />
      </form>
    </Dialog>
  )
}

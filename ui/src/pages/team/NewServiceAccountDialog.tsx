import { type SyntheticEvent, useId, useState } from 'react'
import { useCreateServiceAccount } from '@/api/accounts'
import type { ServiceAccount } from '@/api/generated'
import { formErrors } from '@/frame/formErrors'
import { RoleSelect } from '@/pages/team/RoleSelect'
import { SERVICE_ROLES, type ServiceRole } from '@/pages/team/roles'
import { Button } from '@/ui/Button'
import { Dialog } from '@/ui/Dialog'
import { Field, FormError, TextInput } from '@/ui/Field'

interface NewServiceAccountDialogProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  onMade: (account: ServiceAccount) => void
}

export function NewServiceAccountDialog({ open, onOpenChange, onMade }: NewServiceAccountDialogProps) {
  const form = useId()
  const create = useCreateServiceAccount()
  const [name, setName] = useState('')
  const [role, setRole] = useState<ServiceRole>('agent')
  const errors = formErrors(create.error, ['name', 'role'])

  function change(next: boolean): void {
    onOpenChange(next)
    if (next) return
    create.reset()
    setName('')
    setRole('agent')
  }

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    create.mutate(
      { name, role },
      {
        onSuccess: (account) => {
          change(false)
          onMade(account)
        },
      },
    )
  }

  return (
    <Dialog
      open={open}
      onOpenChange={change}
      title="New service account"
      footer={
        <>
          <Button onClick={() => change(false)}>Cancel</Button>
          <Button type="submit" form={form} variant="primary" busy={create.isPending}>
            Make
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <Field label="Name" hint="What acts by it: agent-berlin, nightly-ci." error={errors.fields.name}>
          <TextInput
            required
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <RoleSelect roles={SERVICE_ROLES} value={role} onChange={setRole} error={errors.fields.role} />
        <FormError error={errors.rest} />
      </form>
    </Dialog>
  )
}

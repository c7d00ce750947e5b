import { type SyntheticEvent, useId, useState } from 'react'
import { useCreateKey } from '@/api/accounts'
import { formErrors } from '@/frame/formErrors'
import { Button } from '@/ui/Button'
import { CopyText } from '@/ui/CopyButton'
import { Dialog } from '@/ui/Dialog'
import { Field, FormError, Select, TextInput } from '@/ui/Field'

const DAY = 86_400
const LIFETIMES = [
  { label: '30 days', seconds: 30 * DAY },
  { label: '90 days', seconds: 90 * DAY },
  { label: 'One year', seconds: 365 * DAY },
  { label: 'It does not expire', seconds: null },
] as const

interface NewKeyDialogProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  serviceAccount: { id: string; name: string } | undefined
}

/** Makes a key and shows its value, this once. */
export function NewKeyDialog({ open, onOpenChange, serviceAccount }: NewKeyDialogProps) {
  const form = useId()
  const create = useCreateKey()
  const [name, setName] = useState('')
  const [lifetime, setLifetime] = useState(1)

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    create.mutate({
      name,
      service_account_id: serviceAccount?.id ?? null,
      expires_in_seconds: LIFETIMES[lifetime]?.seconds ?? null,
    })
  }

  function change(next: boolean): void {
    onOpenChange(next)
    if (next) return
    create.reset()
    setName('')
    setLifetime(1)
  }

  if (create.data) {
    const login = `headrace login ${window.location.origin} --key ${create.data.value}`
    return (
      <Dialog
        open={open}
        onOpenChange={change}
        title={`The key ${create.data.key.name}`}
        description="Copy it now: it is shown this once, and kept here as a fingerprint only."
        footer={
          <Button variant="primary" onClick={() => change(false)}>
            I have copied it
          </Button>
        }
      >
        <div className="flex flex-col gap-4">
          <CopyText text={create.data.value} label="Copy the key" />
          <div className="flex flex-col gap-1">
            <p className="text-sm text-muted">To use it on the command line:</p>
            <CopyText text={login} label="Copy the command" />
          </div>
        </div>
      </Dialog>
    )
  }
  const errors = formErrors(create.error, ['name', 'expires_in_seconds'])
  return (
    <Dialog
      open={open}
      onOpenChange={change}
      title={serviceAccount ? `New key of ${serviceAccount.name}` : 'New API key'}
      footer={
        <>
          <Button onClick={() => change(false)}>Cancel</Button>
          <Button type="submit" form={form} variant="primary" busy={create.isPending}>
            Make the key
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        <Field
          label="Name"
          hint="What it is for, to know it again: laptop, nightly build."
          error={errors.fields.name}
        >
          <TextInput
            required
            maxLength={100}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <Field label="Expires after" error={errors.fields.expires_in_seconds}>
          <Select value={lifetime} onChange={(event) => setLifetime(Number(event.target.value))}>
            {LIFETIMES.map(({ label }, index) => (
              <option key={label} value={index}>
                {label}
              </option>
            ))}
          </Select>
        </Field>
        <FormError error={errors.rest} />
      </form>
    </Dialog>
  )
}

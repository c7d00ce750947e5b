import { Link } from '@tanstack/react-router'
import { type SyntheticEvent, useState } from 'react'
import { formErrors } from '@/frame/formErrors'
import { Door } from '@/pages/signIn/Door'
import { Button } from '@/ui/Button'
import { Field, FormError, TextInput } from '@/ui/Field'

interface Asking {
  mutate: (email: string) => void
  isPending: boolean
  isSuccess: boolean
  error: Error | null
}

/** A page that asks for an address, to which the server mails a link. */
export function AskForMail({
  title,
  label,
  sent,
  closed = '',
  ask,
}: {
  title: string
  label: string
  sent: string
  /** Why nothing is asked here. */
  closed?: string
  ask: Asking
}) {
  const [email, setEmail] = useState('')
  const errors = formErrors(ask.error, ['email'])

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    ask.mutate(email)
  }

  return (
    <Door title={title}>
      {closed || ask.isSuccess ? (
        <p role="status">{closed || sent}</p>
      ) : (
        <form onSubmit={submit} className="flex flex-col gap-4">
          <Field label="Email" error={errors.fields.email}>
            <TextInput
              type="email"
              name="email"
              autoComplete="username"
              required
              autoFocus
              value={email}
              onChange={(event) => setEmail(event.target.value)}
            />
          </Field>
          <FormError error={errors.rest} />
          <Button type="submit" variant="primary" busy={ask.isPending}>
            {label}
          </Button>
        </form>
      )}
      <p className="text-sm">
        <Link to="/sign-in" className="text-accent underline">
          Sign in
        </Link>
      </p>
    </Door>
  )
}

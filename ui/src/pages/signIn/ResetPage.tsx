import { Link } from '@tanstack/react-router'
import { type SyntheticEvent, useState } from 'react'
import { useNewPassword, useRequestReset } from '@/api/waysIn'
import { formErrors } from '@/frame/formErrors'
import { useSearchState } from '@/frame/search'
import { AskForMail } from '@/pages/signIn/AskForMail'
import { Door } from '@/pages/signIn/Door'
import { Button, buttonClass } from '@/ui/Button'
import { Field, FormError, TextInput } from '@/ui/Field'

/** A new password: by the link that was mailed, or, without one, the question for that mail. */
export function ResetPage() {
  const [search] = useSearchState()
  const ask = useRequestReset()
  if (search.token) return <NewPassword token={search.token} />
  return (
    <AskForMail
      title="A new password"
      label="Mail me a link"
      sent="If there is an account with this address, a mail with a link is on its way to it."
      ask={ask}
    />
  )
}

function NewPassword({ token }: { token: string }) {
  const set = useNewPassword()
  const [password, setPassword] = useState('')
  const errors = formErrors(set.error, ['password'])

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    set.mutate({ token, password })
  }

  if (set.isSuccess) {
    return (
      <Door title="Your password is set">
        <p className="text-muted">All sessions have ended.</p>
        <Link to="/sign-in" className={buttonClass('primary')}>
          Sign in
        </Link>
      </Door>
    )
  }
  return (
    <Door title="A new password">
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label="New password" error={errors.fields.password}>
          <TextInput
            type="password"
            autoComplete="new-password"
            required
            autoFocus
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <FormError error={errors.rest} />
        <Button type="submit" variant="primary" busy={set.isPending}>
          Set the password
        </Button>
      </form>
    </Door>
  )
}

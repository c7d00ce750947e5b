import { type SyntheticEvent, useState } from 'react'
import { useChangePassword, useMe } from '@/api/me'
import { formErrors } from '@/frame/formErrors'
import { Button } from '@/ui/Button'
import { Field, FormError, TextInput } from '@/ui/Field'
import { toast } from '@/ui/Toast'

export function PasswordForm() {
  const me = useMe()
  const change = useChangePassword()
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const errors = formErrors(change.error, me.has_password ? ['current', 'new'] : ['new'])

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    change.mutate(
      { current, new: next },
      {
        onSuccess: () => {
          setCurrent('')
          setNext('')
          toast('Your password is set; your other sessions have ended.')
        },
      },
    )
  }

  return (
    <form onSubmit={submit} className="flex max-w-sm flex-col gap-4">
      {/* Password managers look for whose password this is. */}
      <input type="text" name="email" autoComplete="username" value={me.email} readOnly hidden />
      {me.has_password ? (
        <Field label="Current password" error={errors.fields.current}>
          <TextInput
            type="password"
            autoComplete="current-password"
            required
            value={current}
            onChange={(event) => setCurrent(event.target.value)}
          />
        </Field>
      ) : (
        <p className="text-muted">
          You have none yet: you signed in by a link. With one you can sign in again from anywhere.
        </p>
      )}
      <Field label="New password" error={errors.fields.new}>
        <TextInput
          type="password"
          autoComplete="new-password"
          required
          value={next}
          onChange={(event) => setNext(event.target.value)}
        />
      </Field>
      <FormError error={errors.rest} />
      <Button type="submit" variant="primary" busy={change.isPending} className="self-start">
        {me.has_password ? 'Change the password' : 'Set the password'}
      </Button>
    </form>
  )
}

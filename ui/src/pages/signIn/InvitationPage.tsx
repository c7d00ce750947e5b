import { useQuery } from '@tanstack/react-query'
import { Link, useRouter } from '@tanstack/react-router'
import { type SyntheticEvent, useState } from 'react'
import { useAcceptInvitation } from '@/api/me'
import { invitationQuery } from '@/api/waysIn'
import { formErrors } from '@/frame/formErrors'
import { useSearchState } from '@/frame/search'
import { Door } from '@/pages/signIn/Door'
import { Button, buttonClass } from '@/ui/Button'
import { Field, FormError, TextInput } from '@/ui/Field'

/** Where an invitation's link leads: a name, a password, and in. */
export function InvitationPage() {
  const [search] = useSearchState()
  const { token = '' } = search
  const router = useRouter()
  const accept = useAcceptInvitation()
  // Once it is taken up, the link is good for nothing: it is not asked about again.
  const isOpen = !accept.isPending && !accept.isSuccess
  const invitation = useQuery({ ...invitationQuery(token), enabled: isOpen })
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const errors = formErrors(accept.error, ['name', 'password'])

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    // The link is used up: going back must not try it again.
    accept.mutate({ token, name, password }, { onSuccess: () => router.history.replace('/') })
  }

  if (invitation.isError) {
    return (
      <Door title="This invitation is not good any more">
        <FormError error={invitation.error} />
        <Link to="/sign-in" className={buttonClass('primary')}>
          Sign in
        </Link>
      </Door>
    )
  }
  return (
    <Door title="Welcome">
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label="Email">
          <TextInput type="email" autoComplete="username" readOnly value={invitation.data?.email ?? ''} />
        </Field>
        <Field label="Your name" error={errors.fields.name}>
          <TextInput
            autoComplete="name"
            required
            autoFocus
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <Field label="Password" error={errors.fields.password}>
          <TextInput
            type="password"
            autoComplete="new-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <FormError error={errors.rest} />
        <Button type="submit" variant="primary" busy={accept.isPending}>
          Come in
        </Button>
      </form>
    </Door>
  )
}

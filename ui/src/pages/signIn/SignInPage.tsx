import { useRouter } from '@tanstack/react-router'
import { type SyntheticEvent, useState } from 'react'
import { useSignIn } from '@/api/me'
import { useSearchState } from '@/frame/search'
import { Door } from '@/pages/signIn/Door'
import { safeNext } from '@/pages/signIn/next'
import { Button } from '@/ui/Button'
import { Field, FormError, TextInput } from '@/ui/Field'

export function SignInPage() {
  const [search] = useSearchState()
  const router = useRouter()
  const signIn = useSignIn()
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    signIn.mutate({ email, password }, { onSuccess: () => router.history.push(safeNext(search.next)) })
  }

  return (
    <Door title="Sign in">
      <form onSubmit={submit} className="flex flex-col gap-4">
        <Field label="Email">
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
        <Field label="Password">
          <TextInput
            type="password"
            name="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <FormError error={signIn.error} />
        <Button type="submit" variant="primary" busy={signIn.isPending}>
          Sign in
        </Button>
      </form>
      <p className="text-sm text-muted">
        No password yet? Open the link that <code className="font-mono">headrace up</code> printed, or ask an
        administrator for one.
      </p>
    </Door>
  )
}

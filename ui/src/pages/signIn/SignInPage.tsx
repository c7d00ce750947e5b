import { useQuery } from '@tanstack/react-query'
import { Link, useRouter } from '@tanstack/react-router'
import { type SyntheticEvent, useState } from 'react'
import { useSignIn } from '@/api/me'
import { waysInQuery } from '@/api/waysIn'
import { useSearchState } from '@/frame/search'
import { Door } from '@/pages/signIn/Door'
import { safeNext } from '@/pages/signIn/next'
import { Button, buttonClass } from '@/ui/Button'
import { Field, FormError, TextInput } from '@/ui/Field'

export function SignInPage() {
  const [search] = useSearchState()
  const router = useRouter()
  const signIn = useSignIn()
  const ways = useQuery(waysInQuery(search.problem ?? '')).data
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    signIn.mutate({ email, password }, { onSuccess: () => router.history.push(safeNext(search.next)) })
  }

  return (
    <Door title="Sign in">
      {ways?.problem && <p role="alert">{ways.problem}</p>}
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
      {ways?.provider && (
        <a
          href={`${ways.provider.url}?next=${encodeURIComponent(safeNext(search.next))}`}
          className={buttonClass()}
        >
          {ways.provider.label}
        </a>
      )}
      {ways && (ways.reset_by_mail || ways.sign_up) && (
        <p className="flex gap-4 text-sm">
          {ways.reset_by_mail && (
            <Link to="/reset" className="text-accent underline">
              Forgot the password?
            </Link>
          )}
          {ways.sign_up && (
            <Link to="/sign-up" className="text-accent underline">
              Sign up
            </Link>
          )}
        </p>
      )}
      <p className="text-sm text-muted">
        No password yet? Open the link that <code className="font-mono">headrace up</code> printed, or ask an
        administrator for one.
      </p>
    </Door>
  )
}

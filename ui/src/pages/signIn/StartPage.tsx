import { Link, useRouter } from '@tanstack/react-router'
import { useEffect, useRef } from 'react'
import { useSignIn } from '@/api/me'
import { useSearchState } from '@/frame/search'
import { Door } from '@/pages/signIn/Door'
import { safeNext } from '@/pages/signIn/next'
import { buttonClass } from '@/ui/Button'
import { FormError } from '@/ui/Field'

/** Where a one-time link leads: it signs in by itself and goes on. */
export function StartPage() {
  const [search] = useSearchState()
  const router = useRouter()
  const signIn = useSignIn()
  const tried = useRef('')
  const { token = '', next } = search

  useEffect(() => {
    // A token is good once, and effects run twice while developing.
    if (tried.current === token) return
    tried.current = token
    signIn.mutate(
      { token },
      {
        onSuccess: (me) => {
          const target = next === undefined && me.first_start ? '/welcome' : safeNext(next)
          // The link is used up: going back must not try it again.
          router.history.replace(target)
        },
      },
    )
  }, [token, next, router, signIn])

  if (!signIn.isError) {
    return (
      <Door title="Signing you in">
        <p role="status" className="text-muted">
          One moment.
        </p>
      </Door>
    )
  }
  return (
    <Door title="This link did not sign you in">
      <FormError error={signIn.error} />
      <p className="text-muted">
        A link works once and for a short while. Start <code className="font-mono">headrace up</code> again
        for a new one, ask an administrator, or sign in with your password.
      </p>
      <Link to="/sign-in" search={next === undefined ? {} : { next }} className={buttonClass('primary')}>
        Sign in with a password
      </Link>
    </Door>
  )
}

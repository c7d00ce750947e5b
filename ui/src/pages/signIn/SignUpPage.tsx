import { useQuery } from '@tanstack/react-query'
import { useSignUp, waysInQuery } from '@/api/waysIn'
import { AskForMail } from '@/pages/signIn/AskForMail'

/** For whoever may come in without an invitation. */
export function SignUpPage() {
  const ask = useSignUp()
  const isClosed = useQuery(waysInQuery('')).data?.sign_up === false
  return (
    <AskForMail
      title="Sign up"
      label="Mail me a link"
      sent="A mail with a link is on its way to this address."
      closed={isClosed ? 'Nobody signs up here by themselves: ask an administrator for an invitation.' : ''}
      ask={ask}
    />
  )
}

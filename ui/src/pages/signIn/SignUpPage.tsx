import { useSignUp } from '@/api/waysIn'
import { AskForMail } from '@/pages/signIn/AskForMail'

/** For whoever may come in without an invitation. */
export function SignUpPage() {
  const ask = useSignUp()
  return (
    <AskForMail
      title="Sign up"
      label="Mail me a link"
      sent="A mail with a link is on its way to this address."
      ask={ask}
    />
  )
}

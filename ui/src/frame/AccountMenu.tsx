import { useNavigate } from '@tanstack/react-router'
import { BookOpen, EllipsisVertical, LogOut, UserRound } from 'lucide-react'
import { useSignOut } from '@/api/me'
import { IconButton } from '@/ui/Button'
import { Menu } from '@/ui/Menu'
import { toastError } from '@/ui/Toast'

export function AccountMenu() {
  const navigate = useNavigate()
  const signOut = useSignOut()
  return (
    <Menu
      trigger={<IconButton label="Your account" icon={EllipsisVertical} />}
      items={[
        { label: 'Account', icon: UserRound, onSelect: () => void navigate({ to: '/account' }) },
        { label: 'First steps', icon: BookOpen, onSelect: () => void navigate({ to: '/welcome' }) },
        {
          label: 'Sign out',
          icon: LogOut,
          onSelect: () =>
            signOut.mutate(undefined, {
              // A new document holds nothing of the session that was.
              onSuccess: () => window.location.assign('/sign-in'),
              onError: (error) => toastError('You are still signed in', error),
            }),
        },
      ]}
    />
  )
}

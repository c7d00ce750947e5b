import { Link } from '@tanstack/react-router'
import { Compass } from 'lucide-react'
import { Page } from '@/frame/Page'
import { buttonClass } from '@/ui/Button'
import { EmptyState } from '@/ui/EmptyState'

export function NotFoundPage() {
  return (
    <Page title="Not found" heading={<span className="sr-only">Not found</span>}>
      <EmptyState
        icon={Compass}
        title="There is nothing at this address"
        action={
          <Link to="/" className={buttonClass('primary')}>
            Go to the dashboard
          </Link>
        }
      >
        The link may be mistyped, or what it showed was deleted.
      </EmptyState>
    </Page>
  )
}

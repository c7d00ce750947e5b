import { Link } from '@tanstack/react-router'
import { Compass } from 'lucide-react'
import { type Crumb, Page } from '@/frame/Page'
import { buttonClass } from '@/ui/Button'
import { EmptyState } from '@/ui/EmptyState'

interface NotFoundProps {
  /** What was looked for, where the address names it: "flow". */
  what?: string
  /** Where others of its kind are. */
  others?: Crumb
}

export function NotFoundPage({ what, others }: NotFoundProps) {
  return (
    <Page title="Not found" heading={<span className="sr-only">Not found</span>}>
      <EmptyState
        icon={Compass}
        title={what ? `There is no such ${what}` : 'There is nothing at this address'}
        action={
          <div className="flex flex-wrap justify-center gap-2">
            {others && (
              <Link {...others.link} className={buttonClass('primary')}>
                All {others.label.toLowerCase()}
              </Link>
            )}
            <Link to="/" className={buttonClass(others ? 'plain' : 'primary')}>
              Go to the dashboard
            </Link>
          </div>
        }
      >
        The link may be mistyped, or what it showed was deleted.
      </EmptyState>
    </Page>
  )
}

import { type ErrorComponentProps, Link } from '@tanstack/react-router'
import { isMissing, Problem } from '@/api/client'
import { Page } from '@/frame/Page'
import { Button, buttonClass } from '@/ui/Button'
import { ErrorState } from '@/ui/EmptyState'
import { NotFoundPage } from '@/pages/problem/NotFoundPage'

/** Before there is a frame: the server could not say who is here. */
export function RootErrorPage(props: ErrorComponentProps) {
  return (
    <main>
      <ErrorPage {...props} />
    </main>
  )
}

/** A page that broke. What the server says is missing is "not found"; the rest is said as it is, with what to report. */
export function ErrorPage({ error }: ErrorComponentProps) {
  if (isMissing(error)) return <NotFoundPage />
  const requestId = error instanceof Problem ? error.requestId : ''
  return (
    <Page title="Error" heading={<span className="sr-only">Error</span>}>
      <ErrorState error={error instanceof Error ? error : new Error(String(error))} />
      <div className="flex flex-wrap justify-center gap-2">
        <Button variant="primary" onClick={() => window.location.reload()}>
          Load the page again
        </Button>
        <Link to="/" className={buttonClass()}>
          Go to the dashboard
        </Link>
      </div>
      {requestId && (
        <p className="mt-6 text-center text-sm text-muted">
          The server's log has more under the request id <code className="font-mono">{requestId}</code>.
        </p>
      )}
    </Page>
  )
}

import { isMissing } from '@/api/client'
import { type Crumb, Page } from '@/frame/Page'
import { NotFoundPage } from '@/pages/problem/NotFoundPage'
import { ErrorState } from '@/ui/EmptyState'
import { SkeletonRows } from '@/ui/Skeleton'

interface AwaitedProps {
  /** What the page is of: "flow". */
  what: string
  above: readonly [Crumb]
  query: { error: Error | null; refetch: () => unknown }
}

/** The page of one thing while that is not here: it is on its way, could not be loaded, or does not exist. */
export function AwaitedPage({ what, above, query }: AwaitedProps) {
  if (isMissing(query.error)) {
    return <NotFoundPage what={what} others={above[0]} />
  }
  return (
    <Page title={what.charAt(0).toUpperCase() + what.slice(1)} above={above}>
      {query.error ? <ErrorState error={query.error} retry={() => query.refetch()} /> : <SkeletonRows />}
    </Page>
  )
}

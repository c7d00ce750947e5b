import type { ReactNode } from 'react'
import { Button } from '@/ui/Button'
import { ErrorState } from '@/ui/EmptyState'
import { SkeletonRows } from '@/ui/Skeleton'

export interface ListState<R> {
  /** Undefined until the first part is here. */
  rows: readonly R[] | undefined
  error: Error | null
  retry: () => void
  /** Fetches the next part; undefined at the end. */
  more?: (() => void) | undefined
  loadingMore?: boolean
}

interface ListProps<R> extends ListState<R> {
  empty: ReactNode
  children: (rows: readonly R[]) => ReactNode
}

/** The four faces of a list: loading, empty, error, data. */
export function List<R>({ rows, error, retry, more, loadingMore = false, empty, children }: ListProps<R>) {
  if (rows === undefined) return error ? <ErrorState error={error} retry={retry} /> : <SkeletonRows />
  if (rows.length === 0) return empty
  return (
    <>
      {children(rows)}
      {more && (
        <div className="flex justify-center pt-3">
          <Button busy={loadingMore} onClick={more}>
            Show more
          </Button>
        </div>
      )}
    </>
  )
}

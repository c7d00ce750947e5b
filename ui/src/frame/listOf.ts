import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query'
import type { ListState } from '@/ui/List'

/** A query by pages as what a list shows. */
export function listOf<R>(query: UseInfiniteQueryResult<InfiniteData<{ items: R[] }>>): ListState<R> {
  return {
    rows: query.data?.pages.flatMap((page) => page.items),
    error: query.error,
    retry: () => void query.refetch(),
    more: query.hasNextPage ? () => void query.fetchNextPage() : undefined,
    loadingMore: query.isFetchingNextPage,
  }
}

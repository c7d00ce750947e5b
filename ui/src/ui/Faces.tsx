import type { LucideIcon } from 'lucide-react'
import type { ReactNode } from 'react'
import { EmptyState, ErrorState } from '@/ui/EmptyState'
import { SkeletonRows } from '@/ui/Skeleton'

interface FacesProps {
  query: { data: unknown; error: Error | null; refetch: () => unknown }
  empty: boolean
  icon: LucideIcon
  title: string
  hint: string
  children: ReactNode
}

/** The four faces of what a tab shows: loading, error, empty, data. */
export function Faces({ query, empty, icon, title, hint, children }: FacesProps) {
  if (query.data === undefined)
    return query.error ? <ErrorState error={query.error} retry={() => query.refetch()} /> : <SkeletonRows />
  if (empty)
    return (
      <EmptyState icon={icon} title={title}>
        {hint}
      </EmptyState>
    )
  return children
}

import { classes } from '@/ui/classes'

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={classes('animate-skeleton rounded-sm bg-raised', className)} />
}

/** Rows where a list will be. It says once, to who listens, that it is loading. */
export function SkeletonRows({ rows = 6 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-3 py-3">
      {Array.from({ length: rows }, (_, index) => (
        <Skeleton key={index} className={index % 2 ? 'h-5 w-10/12' : 'h-5 w-full'} />
      ))}
    </div>
  )
}

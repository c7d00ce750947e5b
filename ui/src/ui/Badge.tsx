import type { ReactNode } from 'react'

/** A short fact beside a name: a label, a role, a version. */
export function Badge({ children, title }: { children: ReactNode; title?: string }) {
  return (
    <span
      title={title}
      className="inline-flex h-6 max-w-full items-center rounded-sm border border-line bg-surface px-1.5 font-mono text-xs text-muted"
    >
      <span className="truncate">{children}</span>
    </span>
  )
}

import { CircleAlert, type LucideIcon } from 'lucide-react'
import type { ReactNode } from 'react'
import { Button } from '@/ui/Button'
import { CopyText } from '@/ui/CopyButton'

interface EmptyStateProps {
  icon?: LucideIcon
  title: string
  /** What to do next. */
  children?: ReactNode
  /** The command that does it. */
  command?: string
  action?: ReactNode
}

export function EmptyState({ icon: Icon, title, children, command, action }: EmptyStateProps) {
  return (
    <div className="mx-auto flex w-full max-w-xl flex-col items-center gap-3 px-4 py-12 text-center">
      {Icon && <Icon aria-hidden size={28} className="text-muted" />}
      <p className="font-semibold">{title}</p>
      {children && <div className="text-muted">{children}</div>}
      {command && (
        <div className="w-full text-left">
          <CopyText text={command} label="Copy the command" />
        </div>
      )}
      {action}
    </div>
  )
}

/** What went wrong and what to do: the server's own sentence, and a way to ask again. */
export function ErrorState({ error, retry }: { error: Error; retry?: () => void }) {
  return (
    <div
      role="alert"
      className="mx-auto flex w-full max-w-xl flex-col items-center gap-3 px-4 py-12 text-center"
    >
      <CircleAlert aria-hidden size={28} className="text-failed" />
      <p className="font-semibold">This could not be loaded</p>
      <p className="text-muted first-letter:uppercase">{error.message}</p>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  )
}

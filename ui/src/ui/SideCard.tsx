import { X } from 'lucide-react'
import { type ReactNode, useEffect, useRef } from 'react'
import { IconButton } from '@/ui/Button'
import { classes } from '@/ui/classes'

interface SideCardProps {
  /** Read aloud: "Task clean". */
  label: string
  title: string
  /** In mono below the title. */
  subtitle?: string | undefined
  /** What it is of: another card comes into view anew. */
  of: string
  wide?: boolean
  onClose: () => void
  children: ReactNode
}

/** What was selected, beside the list or picture it was selected in; below it on a narrow screen. */
export function SideCard({ label, title, subtitle, of, wide = false, onClose, children }: SideCardProps) {
  const card = useRef<HTMLElement>(null)
  useEffect(() => {
    const beside = window.matchMedia('(min-width: 64rem)').matches
    if (!beside) card.current?.scrollIntoView({ block: 'nearest' })
  }, [of])
  return (
    <aside
      ref={card}
      aria-label={label}
      className={classes(
        'flex w-full shrink-0 flex-col gap-4 self-start rounded-md border border-line bg-surface p-4',
        wide ? 'lg:w-96' : 'lg:w-80',
      )}
    >
      <div className="flex items-start gap-2">
        <div className="min-w-0 flex-1">
          <h2 className="text-base wrap-anywhere">{title}</h2>
          {subtitle && <p className="font-mono text-sm wrap-anywhere text-muted">{subtitle}</p>}
        </div>
        <IconButton label="Close" icon={X} className="-my-1.5 -mr-1.5" onClick={onClose} />
      </div>
      {children}
    </aside>
  )
}

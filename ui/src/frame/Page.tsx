import { Link, type LinkProps } from '@tanstack/react-router'
import { ChevronRight } from 'lucide-react'
import { type ReactNode, useEffect } from 'react'
import { classes } from '@/ui/classes'

/** A page above this one: "Flows". */
export interface Crumb {
  label: string
  link: Pick<LinkProps, 'to' | 'params'>
}

interface PageProps {
  /** The tab's title, and the heading where no other is given. */
  title: string
  heading?: ReactNode
  /** Where this page is below, the highest first. */
  above?: readonly Crumb[]
  /** Buttons beside the heading. */
  actions?: ReactNode
  /** The page fills the window and scrolls inside itself, as a log does. */
  full?: boolean
  children: ReactNode
}

export function Page({ title, heading, above, actions, full = false, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Headrace`
  }, [title])
  return (
    <div
      className={classes(
        'mx-auto flex w-full max-w-[100rem] flex-col px-4 py-5 md:px-6',
        full && 'h-full min-h-0',
      )}
    >
      <div className="mb-4 flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1 basis-64">
          {above && (
            <nav aria-label="Above this page" className="text-sm text-muted">
              <ol className="flex flex-wrap items-center gap-x-1">
                {above.map(({ label, link }) => (
                  <li key={label} className="flex min-w-0 items-center gap-1">
                    <Link {...link} className="min-w-0 wrap-anywhere hover:text-ink hover:underline">
                      {label}
                    </Link>
                    <ChevronRight aria-hidden size={14} className="shrink-0" />
                  </li>
                ))}
              </ol>
            </nav>
          )}
          <h1 className="min-w-0 text-xl leading-7">{heading ?? title}</h1>
        </div>
        {actions && (
          <div className="flex flex-wrap items-center gap-2 max-sm:w-full max-sm:*:flex-1">{actions}</div>
        )}
      </div>
      {children}
    </div>
  )
}

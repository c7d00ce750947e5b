import { type ReactNode, useId } from 'react'

interface SectionProps {
  title: string
  /** Beside the title: a count, a button, a link. */
  aside?: ReactNode
  children: ReactNode
}

export function Section({ title, aside, children }: SectionProps) {
  const id = useId()
  return (
    <section aria-labelledby={id} className="min-w-0">
      <div className="mb-2 flex min-h-8 flex-wrap items-center gap-2">
        <h2 id={id} className="grow text-base">
          {title}
        </h2>
        {aside}
      </div>
      {children}
    </section>
  )
}

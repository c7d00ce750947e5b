import { type ReactNode, useEffect } from 'react'
import { Mark } from '@/ui/Mark'

/** The page of somebody who is not inside yet. */
export function Door({ title, children }: { title: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Headrace`
  }, [title])
  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-sm flex-col justify-center gap-5 px-4 py-10">
      <p className="flex items-center gap-2 font-semibold">
        <Mark size={26} />
        Headrace
      </p>
      <h1 className="text-xl">{title}</h1>
      {children}
    </main>
  )
}

import { Toast as Base } from '@base-ui/react/toast'
import { CircleAlert, CircleCheck, X } from 'lucide-react'
import type { ReactNode } from 'react'
import { IconButton } from '@/ui/Button'

const toasts = Base.createToastManager()

/** Says what was done. */
export function toast(title: string): void {
  toasts.add({ title, type: 'done' })
}

/** Says what could not be done, and why. */
export function toastError(title: string, error: Error): void {
  toasts.add({ title, description: error.message, type: 'error', timeout: 12_000, priority: 'high' })
}

export function Toasts({ children }: { children: ReactNode }) {
  return (
    <Base.Provider toastManager={toasts} timeout={4_000}>
      {children}
      <Base.Portal>
        <Base.Viewport className="fixed right-4 bottom-4 z-50 flex w-[calc(100vw-2rem)] max-w-sm flex-col gap-2 max-md:bottom-16">
          <List />
        </Base.Viewport>
      </Base.Portal>
    </Base.Provider>
  )
}

function List() {
  const { toasts: shown } = Base.useToastManager()
  return shown.map((item) => (
    <Base.Root
      key={item.id}
      toast={item}
      className="flex items-start gap-2 rounded-md border border-line bg-surface py-2 pr-1 pl-3 text-ink"
    >
      {item.type === 'error' ? (
        <CircleAlert aria-hidden size={16} className="mt-1.5 shrink-0 text-failed" />
      ) : (
        <CircleCheck aria-hidden size={16} className="mt-1.5 shrink-0 text-success" />
      )}
      <div className="min-w-0 flex-1 py-1">
        <Base.Title className="font-medium" />
        <Base.Description className="text-muted" />
      </div>
      <Base.Close render={<IconButton label="Dismiss" icon={X} />} />
    </Base.Root>
  ))
}

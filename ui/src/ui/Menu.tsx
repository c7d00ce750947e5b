import { Menu as Base } from '@base-ui/react/menu'
import type { LucideIcon } from 'lucide-react'
import { type ReactElement, useRef } from 'react'
import { classes } from '@/ui/classes'

export interface MenuItem {
  label: string
  icon?: LucideIcon
  danger?: boolean
  disabled?: boolean
  onSelect: () => void
}

/** A button (`trigger`) that opens a list of actions. */
export function Menu({ trigger, items }: { trigger: ReactElement; items: readonly MenuItem[] }) {
  // Opened beside its button, so that it belongs to the same part of the page.
  const home = useRef<HTMLSpanElement>(null)
  return (
    <Base.Root>
      <Base.Trigger render={trigger} />
      <span ref={home} className="contents" />
      <Base.Portal container={home}>
        <Base.Positioner sideOffset={4} align="end" positionMethod="fixed" className="z-50">
          <Base.Popup className="min-w-44 rounded-md border border-line bg-surface p-1 text-ink outline-none">
            {items.map(({ label, icon: Icon, danger, disabled, onSelect }) => (
              <Base.Item
                key={label}
                disabled={disabled ?? false}
                onClick={onSelect}
                className={classes(
                  'flex h-8 cursor-default items-center gap-2 rounded-sm px-2 outline-none data-disabled:opacity-55 data-highlighted:bg-raised',
                  danger && 'text-failed',
                )}
              >
                {Icon && <Icon aria-hidden size={16} />}
                {label}
              </Base.Item>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}

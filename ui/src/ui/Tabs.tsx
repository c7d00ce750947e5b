import { Tabs as Base } from '@base-ui/react/tabs'
import type { LucideIcon } from 'lucide-react'
import type { ReactNode } from 'react'

export interface Tab<V extends string> {
  value: V
  label: string
  icon?: LucideIcon
  count?: number
}

interface TabsProps<V extends string> {
  tabs: readonly Tab<V>[]
  value: V
  onChange: (value: V) => void
  /** What the tabs are of: "Flow run". */
  label: string
  /** The panel of the chosen tab. */
  children: ReactNode
}

export function Tabs<V extends string>({ tabs, value, onChange, label, children }: TabsProps<V>) {
  return (
    <Base.Root
      value={value}
      onValueChange={(next) => onChange(next as V)}
      className="flex min-h-0 flex-1 flex-col"
    >
      <Base.List
        aria-label={label}
        activateOnFocus
        className="flex shrink-0 gap-1 overflow-x-auto overflow-y-hidden border-b border-line p-0.5 pb-0"
      >
        {tabs.map(({ value: tab, label: text, icon: Icon, count }) => (
          <Base.Tab
            key={tab}
            value={tab}
            className="-mb-px flex h-9 shrink-0 items-center gap-1.5 border-b-2 border-transparent px-3 max-sm:px-2 whitespace-nowrap text-muted hover:text-ink data-active:border-accent data-active:font-medium data-active:text-ink"
          >
            {Icon && <Icon aria-hidden size={15} className="max-sm:hidden" />}
            {text}
            {count !== undefined && (
              <span className="tabular text-xs text-muted">{count.toLocaleString()}</span>
            )}
          </Base.Tab>
        ))}
      </Base.List>
      <Base.Panel value={value} tabIndex={-1} className="min-h-0 flex-1 pt-4 outline-none">
        {children}
      </Base.Panel>
    </Base.Root>
  )
}

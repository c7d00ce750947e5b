import { Link } from '@tanstack/react-router'
import { Search } from 'lucide-react'
import { useMe } from '@/api/me'
import { AccountMenu } from '@/frame/AccountMenu'
import { PLACES, useIsBelow } from '@/frame/navigation'
import { isMac } from '@/frame/useShortcut'
import { Mark } from '@/ui/Mark'
import { ThemeSwitch } from '@/ui/ThemeSwitch'

interface BarProps {
  running: boolean
  onSearch: () => void
}

const PLACE =
  'flex h-8 items-center gap-2.5 rounded-md px-2.5 text-muted hover:bg-raised hover:text-ink aria-[current=page]:bg-accent-soft aria-[current=page]:font-medium aria-[current=page]:text-ink'

export function SideBar({ running, onSearch }: BarProps) {
  const me = useMe()
  const isBelow = useIsBelow()
  return (
    <header className="flex w-52 shrink-0 flex-col gap-4 border-r border-line bg-surface p-3 max-md:hidden">
      <Link to="/" className="flex items-center gap-2 rounded-md px-2 pt-1 text-base font-semibold">
        <Mark turning={running} />
        Headrace
        {running && <span className="sr-only">, something runs</span>}
      </Link>
      <button
        type="button"
        onClick={onSearch}
        className="flex h-8 items-center gap-2 rounded-md border border-edge px-2.5 text-left text-muted hover:text-ink"
      >
        <Search aria-hidden size={15} />
        <span className="flex-1">Find</span>
        <kbd className="font-mono text-xs">{isMac ? '⌘K' : 'Ctrl K'}</kbd>
      </button>
      <nav aria-label="Pages" className="flex flex-1 flex-col gap-0.5">
        {PLACES.map(({ to, label, icon: Icon, below }) => (
          <Link
            key={to}
            to={to}
            aria-current={isBelow({ below }) ? 'page' : undefined}
            activeOptions={{ exact: to === '/', includeSearch: false }}
            className={PLACE}
          >
            <Icon aria-hidden size={16} />
            {label}
          </Link>
        ))}
      </nav>
      <ThemeSwitch />
      <div className="flex items-center gap-1 border-t border-line pt-3 pl-1">
        <div className="min-w-0 flex-1">
          <p className="truncate font-medium">{me.name}</p>
          <p className="truncate text-sm text-muted">{me.role}</p>
        </div>
        <AccountMenu />
      </div>
    </header>
  )
}

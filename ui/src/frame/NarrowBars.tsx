import { Link } from '@tanstack/react-router'
import { Search } from 'lucide-react'
import { AccountMenu } from '@/frame/AccountMenu'
import { PLACES, useIsBelow } from '@/frame/navigation'
import { IconButton } from '@/ui/Button'
import { Mark } from '@/ui/Mark'

interface TopBarProps {
  running: boolean
  onSearch: () => void
}

/** Where there is no room for the side bar: the mark and the search above the page, the pages below it. */
export function TopBar({ running, onSearch }: TopBarProps) {
  return (
    <header className="flex h-12 shrink-0 items-center gap-1 border-b border-line bg-surface pr-2 pl-4 md:hidden">
      <Link to="/" className="flex flex-1 items-center gap-2 font-semibold">
        <Mark turning={running} />
        Headrace
        {running && <span className="sr-only">, something runs</span>}
      </Link>
      <IconButton label="Find" icon={Search} onClick={onSearch} />
      <AccountMenu />
    </header>
  )
}

export function BottomBar() {
  const isBelow = useIsBelow()
  return (
    <nav aria-label="Pages" className="flex shrink-0 border-t border-line bg-surface md:hidden">
      {PLACES.map(({ to, label, icon: Icon, below }) => (
        <Link
          key={to}
          to={to}
          aria-current={isBelow({ below }) ? 'page' : undefined}
          activeOptions={{ exact: to === '/', includeSearch: false }}
          className="flex h-14 min-w-0 flex-1 flex-col items-center justify-center gap-1 text-xs text-muted aria-[current=page]:font-medium aria-[current=page]:text-accent"
        >
          <Icon aria-hidden size={18} />
          {label}
        </Link>
      ))}
    </nav>
  )
}

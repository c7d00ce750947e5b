import { useQuery } from '@tanstack/react-query'
import { Outlet } from '@tanstack/react-router'
import { type MouseEvent, useState } from 'react'
import { runningQuery } from '@/api/overview'
import { CommandPalette } from '@/frame/CommandPalette'
import { LiveNotice } from '@/frame/LiveNotice'
import { SideBar } from '@/frame/SideBar'
import { BottomBar, TopBar } from '@/frame/NarrowBars'
import { useShortcut } from '@/frame/useShortcut'

function skipToMain(event: MouseEvent): void {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

/** What is around every page: where one is, where one can go, and whether something runs. */
export function Frame() {
  const [searching, setSearching] = useState(false)
  const running = useQuery(runningQuery).data ?? false
  useShortcut('k', () => setSearching((open) => !open))
  const search = () => setSearching(true)

  return (
    <div className="flex h-dvh flex-col md:flex-row">
      <a
        href="#main"
        onClick={skipToMain}
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:bg-surface focus:p-2"
      >
        Skip to the page
      </a>
      <TopBar running={running} onSearch={search} />
      <SideBar running={running} onSearch={search} />
      <main
        id="main"
        data-scroll-restoration-id="main"
        tabIndex={-1}
        className="relative min-h-0 min-w-0 flex-1 overflow-y-auto outline-none"
      >
        <Outlet />
      </main>
      <BottomBar />
      <LiveNotice />
      <CommandPalette open={searching} onOpenChange={setSearching} />
    </div>
  )
}

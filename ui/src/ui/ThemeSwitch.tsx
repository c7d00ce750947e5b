import { Monitor, Moon, Sun } from 'lucide-react'
import { classes } from '@/ui/classes'
import { setTheme, type Theme, useTheme } from '@/ui/theme'

const THEMES = [
  { value: 'light', label: 'Light', icon: Sun },
  { value: 'dark', label: 'Dark', icon: Moon },
  { value: 'system', label: 'System', icon: Monitor },
] as const satisfies readonly { value: Theme; label: string; icon: unknown }[]

export function ThemeSwitch({ labels = false }: { labels?: boolean }) {
  const { theme } = useTheme()
  return (
    <div role="group" aria-label="Theme" className="flex w-fit gap-0.5 rounded-md border border-line p-0.5">
      {THEMES.map(({ value, label, icon: Icon }) => (
        <button
          key={value}
          type="button"
          aria-pressed={theme === value}
          aria-label={labels ? undefined : label}
          title={label}
          onClick={() => setTheme(value)}
          className={classes(
            'flex h-7 min-w-7 items-center justify-center gap-1.5 rounded-sm text-muted hover:text-ink',
            'aria-pressed:bg-accent-soft aria-pressed:text-ink',
            labels && 'px-2.5',
          )}
        >
          <Icon aria-hidden size={15} />
          {labels && label}
        </button>
      ))}
    </div>
  )
}

import { Dialog as Base } from '@base-ui/react/dialog'
import { Search } from 'lucide-react'
import { type KeyboardEvent, useEffect, useId, useState } from 'react'
import { type Command, useCommands } from '@/frame/useCommands'
import { classes } from '@/ui/classes'

interface CommandPaletteProps {
  open: boolean
  onOpenChange: (open: boolean) => void
}

/** Pages, flows, runs and actions, by typing. */
export function CommandPalette({ open, onOpenChange }: CommandPaletteProps) {
  return (
    <Base.Root open={open} onOpenChange={onOpenChange}>
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-40 bg-veil" />
        <Base.Popup className="fixed top-[10dvh] left-1/2 z-50 flex max-h-[70dvh] w-[calc(100vw-2rem)] max-w-xl -translate-x-1/2 flex-col rounded-md border border-line bg-surface text-ink outline-none">
          <Base.Title className="sr-only">Find a page, a flow or a run</Base.Title>
          <Finder onDone={() => onOpenChange(false)} />
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}

function Finder({ onDone }: { onDone: () => void }) {
  const id = useId()
  const [text, setText] = useState('')
  const [index, setIndex] = useState(0)
  const { commands, busy } = useCommands(text)
  const chosen = commands[Math.min(index, commands.length - 1)]

  useEffect(() => {
    document.getElementById(`${id}-${chosen?.key ?? ''}`)?.scrollIntoView({ block: 'nearest' })
  }, [id, chosen?.key])

  function act(command: Command | undefined): void {
    if (!command) return
    onDone()
    command.act()
  }

  function press(event: KeyboardEvent): void {
    const count = Math.max(commands.length, 1)
    if (event.key === 'ArrowDown') setIndex((Math.min(index, count - 1) + 1) % count)
    else if (event.key === 'ArrowUp') setIndex((Math.min(index, count - 1) + count - 1) % count)
    else if (event.key === 'Enter' && !event.nativeEvent.isComposing) act(chosen)
    else return
    event.preventDefault()
  }

  return (
    <>
      <div className="flex items-center gap-2 border-b border-line px-3">
        <Search aria-hidden size={16} className="text-muted" />
        <input
          role="combobox"
          aria-label="Find a page, a flow or a run"
          aria-expanded
          aria-controls={`${id}-list`}
          aria-activedescendant={chosen ? `${id}-${chosen.key}` : undefined}
          aria-autocomplete="list"
          autoComplete="off"
          spellCheck={false}
          placeholder="A page, a flow, a run’s name or id"
          className="h-11 min-w-0 flex-1 bg-transparent outline-none placeholder:text-muted"
          value={text}
          onChange={(event) => {
            setText(event.target.value)
            setIndex(0)
          }}
          onKeyDown={press}
        />
      </div>
      <ul id={`${id}-list`} role="listbox" aria-label="Found" className="min-h-0 overflow-y-auto p-1">
        {commands.map((command) => (
          <Option
            key={command.key}
            id={`${id}-${command.key}`}
            command={command}
            chosen={command === chosen}
            onAct={() => act(command)}
          />
        ))}
      </ul>
      <p role="status" className="px-3 text-muted not-empty:pb-3">
        {commands.length === 0 && (busy ? 'Searching' : 'Nothing found')}
      </p>
    </>
  )
}

interface OptionProps {
  id: string
  command: Command
  chosen: boolean
  onAct: () => void
}

function Option({ id, command, chosen, onAct }: OptionProps) {
  const { icon: Icon, label, kind, detail } = command
  return (
    <li
      id={id}
      role="option"
      aria-selected={chosen}
      onClick={onAct}
      className={classes(
        'flex min-h-9 cursor-pointer items-center gap-2.5 rounded-sm px-2 hover:bg-raised',
        chosen && 'bg-accent-soft hover:bg-accent-soft',
      )}
    >
      <Icon aria-hidden size={16} className="shrink-0 text-muted" />
      <span className="min-w-0 flex-1 truncate">
        {label} {detail && <span className="text-muted">{detail}</span>}
      </span>
      <span className="text-xs text-muted">{kind}</span>
    </li>
  )
}

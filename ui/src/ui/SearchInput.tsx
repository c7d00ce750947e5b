import { Search } from 'lucide-react'
import { useEffect, useEffectEvent, useState } from 'react'
import { TextInput } from '@/ui/Field'

const PAUSE_MS = 200

interface SearchInputProps {
  label: string
  value: string
  /** Told after a short pause in typing. */
  onChange: (value: string) => void
}

export function SearchInput({ label, value, onChange }: SearchInputProps) {
  const [typed, setTyped] = useState(value)
  const [seen, setSeen] = useState(value)
  const [told, setTold] = useState(value)
  if (value !== seen) {
    setSeen(value)
    // Changed by another way than this box (back, or a link): what is typed meanwhile is kept otherwise.
    if (value !== told) setTyped(value)
  }
  const tell = useEffectEvent(onChange)
  useEffect(() => {
    if (typed === value) return
    const timer = setTimeout(() => {
      setTold(typed)
      tell(typed)
    }, PAUSE_MS)
    return () => clearTimeout(timer)
  }, [typed, value])
  return (
    <div className="relative w-56 max-w-full">
      <Search aria-hidden size={15} className="pointer-events-none absolute top-2 left-2.5 text-muted" />
      <TextInput
        type="search"
        aria-label={label}
        placeholder={label}
        className="w-full pl-8"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
    </div>
  )
}

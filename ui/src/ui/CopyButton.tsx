import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { IconButton } from '@/ui/Button'

async function copy(text: string): Promise<void> {
  if (window.isSecureContext) return navigator.clipboard.writeText(text)
  // Without https the clipboard's own interface is missing; the old way works from a click.
  const area = document.createElement('textarea')
  area.value = text
  area.setAttribute('readonly', '')
  document.body.append(area)
  area.select()
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- there is no other way on a plain http address
  document.execCommand('copy')
  area.remove()
}

interface CopyButtonProps {
  text: string
  label?: string
  /** In line with text. */
  small?: boolean
}

export function CopyButton({ text, label = 'Copy', small = false }: CopyButtonProps) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), 1500)
    return () => clearTimeout(timer)
  }, [done])
  return (
    <>
      <IconButton
        label={label}
        icon={done ? Check : Copy}
        small={small}
        onClick={() => void copy(text).then(() => setDone(true))}
      />
      <span role="status" className="sr-only">
        {done ? 'Copied' : ''}
      </span>
    </>
  )
}

interface CopyValueProps {
  value: string
  /** So many characters of it are shown; the rest on hover. */
  length?: number
  label: string
}

/** A hash, an id, a place: in line with other text. */
export function CopyValue({ value, length = value.length, label }: CopyValueProps) {
  return (
    <span className="-my-0.5 flex min-w-0 items-center gap-0.5">
      <span className="min-w-0 font-mono wrap-anywhere" title={length < value.length ? value : undefined}>
        {value.slice(0, length)}
      </span>
      <CopyButton text={value} label={label} small />
    </span>
  )
}

/** Something to paste elsewhere: a command, a key, a few lines of code. */
export function CopyText({ text, label = 'Copy' }: { text: string; label?: string }) {
  return (
    <div className="flex items-start gap-1 rounded-md border border-line bg-raised py-0.5 pr-0.5 pl-3">
      <pre tabIndex={0} aria-label={text} className="min-w-0 flex-1 overflow-x-auto py-1.5 font-mono text-sm">
        {text}
      </pre>
      <CopyButton text={text} label={label} />
    </div>
  )
}

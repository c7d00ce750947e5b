import type { LucideIcon } from 'lucide-react'
import type { ComponentProps } from 'react'
import { classes } from '@/ui/classes'

type Variant = 'primary' | 'plain' | 'quiet' | 'danger'

const LOOKS: Record<Variant, string> = {
  primary: 'bg-accent text-on-accent border-transparent hover:opacity-90',
  plain: 'bg-surface text-ink border-edge hover:bg-raised',
  quiet: 'text-ink border-transparent hover:bg-raised',
  danger: 'bg-surface text-failed border-failed hover:bg-failed hover:text-paper',
}

/** The look of a button, for links that act like one. */
export function buttonClass(variant: Variant = 'plain', extra?: string): string {
  return classes(
    'inline-flex h-8 shrink-0 items-center justify-center gap-1.5 rounded-md border px-3 text-base font-medium',
    'whitespace-nowrap transition-colors disabled:cursor-not-allowed disabled:opacity-55',
    LOOKS[variant],
    extra,
  )
}

interface ButtonProps extends ComponentProps<'button'> {
  variant?: Variant
  icon?: LucideIcon
  /** While true the button is disabled and says that it is at work. */
  busy?: boolean
}

export function Button({
  variant = 'plain',
  icon: Icon,
  busy = false,
  className,
  children,
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={busy || disabled}
      aria-busy={busy || undefined}
      className={buttonClass(variant, className)}
    >
      {Icon && <Icon aria-hidden size={16} />}
      {children}
    </button>
  )
}

interface IconButtonProps extends ComponentProps<'button'> {
  /** What it does: read aloud, and shown on hover. */
  label: string
  icon: LucideIcon
  /** In line with text. */
  small?: boolean
}

export function IconButton({ label, icon: Icon, small = false, className, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      {...rest}
      className={classes(
        'inline-flex shrink-0 items-center justify-center rounded-md text-muted transition-colors',
        'hover:bg-raised hover:text-ink disabled:opacity-55',
        small ? 'size-6' : 'size-8',
        className,
      )}
    >
      <Icon aria-hidden size={small ? 13 : 16} />
    </button>
  )
}

import { CircleAlert } from 'lucide-react'
import { type ComponentProps, type ReactElement, type ReactNode, cloneElement, useId } from 'react'
import { classes } from '@/ui/classes'

interface Control {
  id?: string
  'aria-describedby'?: string | undefined
  'aria-invalid'?: boolean | undefined
}

interface FieldProps {
  label: string
  hint?: ReactNode
  error?: string | null | undefined
  /** One control; it is given its id and what describes it. */
  children: ReactElement<Control>
}

/** A control with its label above, a hint and, where it is wrong, what is wrong beside it. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId()
  const described = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ')
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {cloneElement(children, {
        id,
        'aria-describedby': described || undefined,
        'aria-invalid': error ? true : undefined,
      })}
      {hint && (
        <p id={`${id}-hint`} className="text-sm text-muted">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="flex items-start gap-1 text-sm text-failed">
          <CircleAlert aria-hidden size={14} className="mt-0.5 shrink-0" />
          <span className="inline-block first-letter:uppercase">{error}</span>
        </p>
      )}
    </div>
  )
}

const CONTROL =
  'min-w-0 rounded-md border border-edge bg-surface px-2.5 text-ink placeholder:text-muted disabled:opacity-55 aria-invalid:border-failed'

export function TextInput({ className, ...rest }: ComponentProps<'input'>) {
  return <input type="text" {...rest} className={classes(CONTROL, 'h-8', className)} />
}

export function TextArea({ className, ...rest }: ComponentProps<'textarea'>) {
  return <textarea rows={4} {...rest} className={classes(CONTROL, 'py-1.5 font-mono text-sm', className)} />
}

/** The platform's own list of choices: it works with every keyboard, screen reader and phone. */
export function Select({ className, ...rest }: ComponentProps<'select'>) {
  return <select {...rest} className={classes(CONTROL, 'h-8 pr-1', className)} />
}

interface CheckboxProps extends Omit<ComponentProps<'input'>, 'type'> {
  label: string
}

export function Checkbox({ label, className, ...rest }: CheckboxProps) {
  return (
    <label className={classes('flex min-h-6 items-center gap-2', className)}>
      <input type="checkbox" {...rest} className="size-4 accent-accent" />
      {label}
    </label>
  )
}

interface SwitchProps extends Omit<ComponentProps<'input'>, 'type'> {
  label: ReactNode
}

/** On or off, at once. */
export function Switch({ label, className, ...rest }: SwitchProps) {
  return (
    <label className={classes('flex min-h-6 items-center gap-2', className)}>
      <input
        type="checkbox"
        role="switch"
        {...rest}
        className={classes(
          'relative h-4 w-7 shrink-0 appearance-none rounded-full border border-edge bg-raised transition-colors forced-colors:appearance-auto',
          'before:absolute before:top-0.5 before:left-0.5 before:size-2.5 before:rounded-full before:bg-muted before:transition-transform',
          'checked:border-accent checked:bg-accent checked:before:translate-x-3 checked:before:bg-on-accent disabled:opacity-55',
        )}
      />
      {label}
    </label>
  )
}

/** What is wrong with a form as a whole. */
export function FormError({ error }: { error: Error | null }) {
  if (!error) return null
  return (
    <p
      role="alert"
      className="flex items-start gap-1.5 rounded-md border border-failed px-3 py-2 text-failed"
    >
      <CircleAlert aria-hidden size={16} className="mt-0.5 shrink-0" />
      <span className="inline-block min-w-0 first-letter:uppercase">{error.message}</span>
    </p>
  )
}

import type { ParameterSpec } from '@/api/generated'
import { blank, type Schema } from './schema'

/** What a typed text says, or why it says nothing. */
export type Reading = { value: unknown } | { error: string }

/** A value as the fields for numbers and JSON show it. */
export function textOf(kind: 'number' | 'integer' | 'json', value: unknown): string {
  if (value === undefined || (value === null && kind !== 'json')) return ''
  return kind === 'json' || typeof value !== 'number' ? JSON.stringify(value, null, 2) : String(value)
}

export function read(kind: 'number' | 'integer' | 'json', text: string): Reading {
  const trimmed = text.trim()
  if (kind === 'json') {
    try {
      return { value: JSON.parse(trimmed) as unknown }
    } catch (error) {
      const reason = error instanceof Error ? error.message : ''
      return { error: `This is not JSON: ${reason}. Text goes in double quotes.` }
    }
  }
  const value = trimmed === '' ? NaN : Number(trimmed)
  if (!Number.isFinite(value)) return { error: 'Give a number.' }
  if (kind === 'integer' && !Number.isInteger(value)) return { error: 'Give a whole number.' }
  if (kind === 'integer' && !Number.isSafeInteger(value))
    return { error: 'This number is too large to be sent exactly from a browser.' }
  return { value }
}

/** One parameter as the form keeps it. One that is not `given` is left out, so that the flow's own default counts. */
export interface Entry {
  given: boolean
  value: unknown
  /** Texts that cannot be read yet: what is wrong with each, by the field's path. */
  unread: Record<string, string>
}

export type Entries = Record<string, Entry>

export const schemaOf = (parameter: ParameterSpec): Schema => parameter.schema ?? {}

/** The form as it opens: what an earlier run or the flow's settings gave, else the parameter's own default. */
export function entriesOf(parameters: readonly ParameterSpec[], given: Record<string, unknown>): Entries {
  return Object.fromEntries(
    parameters.map((parameter) => {
      const known = Object.hasOwn(given, parameter.name)
      const own = parameter.required ? blank(schemaOf(parameter)) : (parameter.default ?? null)
      const value = known ? given[parameter.name] : own
      return [parameter.name, { given: known || parameter.required, value, unread: {} }]
    }),
  )
}

/** What is sent, or what is wrong, by field. */
export function collect(
  parameters: readonly ParameterSpec[],
  entries: Entries,
): { values: Record<string, unknown>; errors: Record<string, string> } {
  const values: Record<string, unknown> = {}
  const errors: Record<string, string> = {}
  for (const { name, required } of parameters) {
    const entry = entries[name]
    if (entry === undefined || !entry.given) continue
    Object.assign(errors, entry.unread)
    if (entry.value !== undefined) values[name] = entry.value
    else if (required && Object.keys(entry.unread).length === 0)
      errors[name] = 'This parameter needs a value.'
  }
  return { values, errors }
}

/** `parameters.rows[2].name`, `$.rows[2].name` and `rows.2.name` are one place. */
function place(key: string): string {
  return key.replace(/^(parameters|[$])[.]/, '').replace(/\[['"]?([^\]'"]+)['"]?\]/g, '.$1')
}

/** What is wrong with a field; with `inside` also what is wrong with a part of it that has no field of its own. */
export function errorFor(errors: Record<string, string>, path: string, inside: boolean): string | undefined {
  const found = Object.entries(errors).find(([key]) => {
    const at = place(key)
    return at === path || (inside && at.startsWith(`${path}.`))
  })
  return found?.[1]
}

/** Errors that belong to no field of the form, to be said at its head. */
export function otherErrors(errors: Record<string, string>, fields: readonly string[]): string[] {
  return Object.entries(errors).flatMap(([key, message]) => {
    const at = place(key)
    const shown = fields.some((field) => at === field || at.startsWith(`${field}.`))
    return shown ? [] : [`${key}: ${message}`]
  })
}

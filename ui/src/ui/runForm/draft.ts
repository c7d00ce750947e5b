import type { ParameterSpec } from '@/api/generated'
import { blank, controlOf, type Control, type Schema } from './schema'

/**
 * What stands in a field. A number or JSON is kept as it was typed until it is sent, so that nothing changes under the
 * cursor; `text` that cannot be read is an error beside the field.
 */
export type Draft = { text: string } | { value: unknown }

export const isText = (draft: Draft): draft is { text: string } => 'text' in draft

const TYPED = new Set<Control['kind']>(['number', 'integer', 'json'])

/** A value as its control shows it. */
export function draftOf(schema: Schema, value: unknown): Draft {
  const { kind } = controlOf(schema)
  if (!TYPED.has(kind)) return { value }
  if (value === undefined) return { text: '' }
  return { text: kind === 'json' ? JSON.stringify(value, null, 2) : String(value) }
}

/** What a text says, or why it says nothing. */
export function read(schema: Schema, text: string): { value: unknown } | { error: string } {
  const { kind } = controlOf(schema)
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
    return { error: 'This number is too large to be sent from a browser exactly.' }
  return { value }
}

/** One parameter as the form keeps it. Those that are not `given` are left out, so that the flow's own default counts. */
export interface Entry {
  given: boolean
  value: unknown
  /** What was typed and cannot be read yet, by the field's path. */
  unread: Record<string, string>
}

export type Entries = Record<string, Entry>

/** The form as it opens: what an earlier run or the flow's settings gave, else the parameter's own default. */
export function entriesOf(parameters: readonly ParameterSpec[], given: Record<string, unknown>): Entries {
  return Object.fromEntries(
    parameters.map((parameter) => {
      const known = Object.hasOwn(given, parameter.name)
      const own = parameter.required ? blank(parameter.schema ?? {}) : (parameter.default ?? null)
      const value = known ? given[parameter.name] : own
      return [parameter.name, { given: known || parameter.required, value, unread: {} }]
    }),
  )
}

/** What is sent, or the fields that cannot be. */
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
    else if (required && Object.keys(entry.unread).length === 0) errors[name] = 'This parameter needs a value.'
  }
  return { values, errors }
}

/**
 * The server's errors by field: `parameters.rows[2].name` and `rows[2].name` both belong to that field, or to the
 * nearest one around it that the form shows.
 */
export function errorFor(errors: Record<string, string>, path: string, inside: boolean): string | undefined {
  for (const [key, message] of Object.entries(errors)) {
    const place = key.replace(/^parameters[.]/, '').replace(/\[['"]?([^\]'"]+)['"]?\]/g, '.$1')
    if (place === path || (inside && place.startsWith(`${path}.`))) return message
  }
  return undefined
}

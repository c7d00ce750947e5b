import type { ParameterSpec } from '@/api/generated'
import { Checkbox } from '@/ui/Field'
import { type Entries, type Entry, schemaOf } from './draft'
import { typeName } from './schema'
import { ValueField } from './ValueField'

interface ParameterFieldsProps {
  parameters: readonly ParameterSpec[]
  entries: Entries
  errors: Record<string, string>
  onChange: (name: string, change: (entry: Entry) => Entry) => void
}

/** A field for each parameter of a flow, made from its JSON Schema. */
export function ParameterFields({ parameters, entries, errors, onChange }: ParameterFieldsProps) {
  return parameters.map((parameter) => {
    const { name, required, description } = parameter
    const entry = entries[name] ?? { given: false, value: undefined, unread: {} }
    const schema = schemaOf(parameter)
    const hint = [description, typeName(schema)].filter(Boolean).join(' · ')
    return (
      <div key={name} className="flex flex-col gap-1">
        <ValueField
          key={entry.given ? 'given' : 'default'}
          label={required ? `${name} (required)` : name}
          path={name}
          schema={schema}
          value={entry.value}
          hint={hint}
          errors={{ ...errors, ...entry.unread }}
          disabled={!entry.given}
          onChange={(value) => onChange(name, (before) => ({ ...before, value }))}
          onUnread={(path, error) =>
            onChange(name, (before) => ({ ...before, unread: patch(before, path, error) }))
          }
        />
        {!required && (
          <Checkbox
            label="Use the default"
            aria-label={`Use the default of ${name}`}
            className="text-sm text-muted"
            checked={!entry.given}
            onChange={(event) => {
              const given = !event.target.checked
              const value = given ? entry.value : (parameter.default ?? null)
              onChange(name, () => ({ given, value, unread: {} }))
            }}
          />
        )}
      </div>
    )
  })
}

function patch(entry: Entry, path: string, error: string | undefined): Record<string, string> {
  const others = Object.entries(entry.unread).filter(
    ([known]) => known !== path && !known.startsWith(`${path}.`),
  )
  return Object.fromEntries(error === undefined ? others : [...others, [path, error]])
}

import { Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { Button, IconButton } from '@/ui/Button'
import { Checkbox, Field, Select, TextArea, TextInput } from '@/ui/Field'
import { fromLocal, toLocal } from '@/ui/localTimes'
import { errorFor, read, textOf } from './draft'
import { blank, controlOf, limits, part, type Control, type Schema, typeName } from './schema'

interface ValueFieldProps {
  label: string
  /** The path by which errors name this field: "rows.2.name". */
  path: string
  schema: Schema
  value: unknown
  hint?: string | undefined
  /** The errors of the form by path, those of the server and those of texts that cannot be read. */
  errors: Record<string, string>
  onChange: (value: unknown) => void
  /** A text cannot be read as a value (or can be again: undefined). */
  onUnread: (path: string, error: string | undefined) => void
  disabled?: boolean
}

/** A field for a value of any JSON Schema. */
export function ValueField(props: ValueFieldProps) {
  const control = controlOf(props.schema)
  switch (control.kind) {
    case 'optional':
      return <OptionalField {...props} control={control} />
    case 'list':
      return <ListField {...props} control={control} />
    case 'object':
      return <ObjectField {...props} control={control} />
    case 'number':
    case 'integer':
    case 'json':
      return <TypedField {...props} kind={control.kind} />
    default:
      return <PlainField {...props} control={control} />
  }
}

function hintOf({ hint, schema }: ValueFieldProps): string {
  const description = schema.description ?? ''
  return [hint ?? description, limits(schema)].filter(Boolean).join(' · ')
}

/** Text, dates, choices and yes or no: whatever the browser's field holds is a value. */
function PlainField({ control, ...props }: ValueFieldProps & { control: Control }) {
  const { label, path, value, errors, onChange, disabled } = props
  const error = errorFor(errors, path, true)
  const text = typeof value === 'string' ? value : ''
  const say = (next: string) => onChange(next)
  return (
    <Field label={label} hint={hintOf(props)} error={error}>
      {control.kind === 'choice' ? (
        <Select
          disabled={disabled}
          value={control.options.findIndex((option) => option === value)}
          onChange={(event) => onChange(control.options[Number(event.target.value)])}
        >
          {control.options.every((option) => option !== value) && <option value={-1}>Choose …</option>}
          {control.options.map((option, index) => (
            <option key={index} value={index}>
              {typeof option === 'string' ? option : JSON.stringify(option)}
            </option>
          ))}
        </Select>
      ) : control.kind === 'boolean' ? (
        <Select
          disabled={disabled}
          value={String(value === true)}
          onChange={(event) => onChange(event.target.value === 'true')}
        >
          <option value="true">true</option>
          <option value="false">false</option>
        </Select>
      ) : control.kind === 'datetime' ? (
        <TextInput
          type="datetime-local"
          step={1}
          disabled={disabled}
          value={toLocal(value)}
          onChange={(event) => onChange(fromLocal(event.target.value))}
        />
      ) : control.kind === 'date' || control.kind === 'time' ? (
        <TextInput
          type={control.kind}
          step={control.kind === 'time' ? 1 : undefined}
          disabled={disabled}
          value={text}
          onChange={(event) => onChange(event.target.value === '' ? undefined : event.target.value)}
        />
      ) : text.includes('\n') || (control.schema.maxLength ?? 0) > 200 ? (
        <TextArea disabled={disabled} value={text} onChange={(event) => say(event.target.value)} />
      ) : (
        <TextInput disabled={disabled} value={text} onChange={(event) => say(event.target.value)} />
      )}
    </Field>
  )
}

/** Numbers and JSON: a text that has to be read. It stays as it was typed. */
function TypedField({ kind, ...props }: ValueFieldProps & { kind: 'number' | 'integer' | 'json' }) {
  const { label, path, value, errors, onChange, onUnread, disabled } = props
  const [text, setText] = useState(() => textOf(kind, value))

  function typed(next: string) {
    setText(next)
    const reading = next.trim() === '' ? { value: undefined } : read(kind, next)
    if ('error' in reading) onUnread(path, reading.error)
    else {
      onUnread(path, undefined)
      onChange(reading.value)
    }
  }

  return (
    <Field label={label} hint={hintOf(props)} error={errorFor(errors, path, true)}>
      {kind === 'json' ? (
        <TextArea
          spellCheck={false}
          disabled={disabled}
          placeholder={`${typeName(props.schema)}, as JSON`}
          value={text}
          onChange={(event) => typed(event.target.value)}
        />
      ) : (
        <TextInput
          inputMode={kind === 'integer' ? 'numeric' : 'decimal'}
          className="tabular"
          disabled={disabled}
          value={text}
          onChange={(event) => typed(event.target.value)}
        />
      )}
    </Field>
  )
}

/** A value or nothing. */
function OptionalField({ control, ...props }: ValueFieldProps & { control: Control & { kind: 'optional' } }) {
  const { label, value, onChange, onUnread, path, disabled } = props
  const nothing = value === null || value === undefined
  return (
    <div className="flex flex-col gap-1">
      {nothing ? (
        <PlainField
          {...props}
          control={{ kind: 'choice', schema: props.schema, options: [null] }}
          value={null}
          disabled
        />
      ) : (
        <ValueField {...props} schema={control.inner} />
      )}
      <Checkbox
        label="Nothing (null)"
        aria-label={`${label}: nothing (null)`}
        className="text-sm text-muted"
        disabled={disabled}
        checked={nothing}
        onChange={(event) => {
          onUnread(path, undefined)
          onChange(
            event.target.checked ? null : (blank(control.inner) ?? (isWordy(control.inner) ? '' : undefined)),
          )
        }}
      />
    </div>
  )
}

const isWordy = (schema: Schema) => controlOf(schema).kind === 'text'

interface Row {
  id: number
  value: unknown
}

/** A list of values, one row each. */
function ListField({ control, ...props }: ValueFieldProps & { control: Control & { kind: 'list' } }) {
  const { label, path, value, errors, onChange, disabled } = props
  const given: unknown[] = Array.isArray(value) ? value : []
  const [rows, setRows] = useState<Row[]>(() => given.map((item, id) => ({ id, value: item })))
  const items = part(props.schema, control.items)

  function change(next: Row[]) {
    setRows(next)
    onChange(next.map((row) => row.value ?? null))
  }

  const error = errorFor(errors, path, false)
  return (
    <fieldset className="flex min-w-0 flex-col gap-2 border-l-2 border-line pl-3">
      <legend className="mb-1 text-sm font-medium">{label}</legend>
      {rows.map((row, index) => (
        <div key={row.id} className="flex items-end gap-1">
          <div className="min-w-0 flex-1">
            <ValueField
              {...props}
              hint=""
              label={`${label} ${index + 1}`}
              path={`${path}.${index}`}
              schema={items}
              value={row.value}
              onChange={(next) =>
                change(rows.map((one) => (one.id === row.id ? { ...one, value: next } : one)))
              }
            />
          </div>
          <IconButton
            label={`Remove ${label} ${index + 1}`}
            icon={Trash2}
            disabled={disabled}
            onClick={() => {
              props.onUnread(`${path}.${index}`, undefined)
              change(rows.filter((one) => one.id !== row.id))
            }}
          />
        </div>
      ))}
      <Button
        icon={Plus}
        className="self-start"
        disabled={disabled}
        onClick={() => {
          const id = rows.reduce((most, row) => Math.max(most, row.id), -1) + 1
          change([...rows, { id, value: blank(items) ?? (isWordy(items) ? '' : undefined) }])
        }}
      >
        Add to {label}
      </Button>
      {hintOf(props) && <p className="text-sm text-muted">{hintOf(props)}</p>}
      {error !== undefined && <p className="text-sm text-failed">{error}</p>}
    </fieldset>
  )
}

/** An object's fields below each other. One that may be left out is, while it is empty. */
function ObjectField({ control, ...props }: ValueFieldProps & { control: Control & { kind: 'object' } }) {
  const { label, path, value, errors, onChange } = props
  const known = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
  const error = errorFor(errors, path, false)
  return (
    <fieldset className="flex min-w-0 flex-col gap-3 border-l-2 border-line pl-3">
      <legend className="mb-1 text-sm font-medium">{label}</legend>
      {hintOf(props) && <p className="text-sm text-muted">{hintOf(props)}</p>}
      {control.fields.map((field) => (
        <ValueField
          {...props}
          key={field.name}
          label={field.required ? field.name : `${field.name} (optional)`}
          hint={undefined}
          path={`${path}.${field.name}`}
          schema={field.schema}
          value={known[field.name]}
          onChange={(next) => {
            const others = Object.entries(known).filter(([name]) => name !== field.name)
            onChange(Object.fromEntries(next === undefined ? others : [...others, [field.name, next]]))
          }}
        />
      ))}
      {error !== undefined && <p className="text-sm text-failed">{error}</p>}
    </fieldset>
  )
}

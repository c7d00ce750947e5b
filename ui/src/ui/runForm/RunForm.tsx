import { type SyntheticEvent, useEffect, useRef, useState } from 'react'
import type { CreateFlowRun, ParameterSpec } from '@/api/generated'
import { Button } from '@/ui/Button'
import { Field, FormError, Select, TextInput } from '@/ui/Field'
import { fromLocal, toLocal } from '@/ui/localTimes'
import { collect, type Entries, entriesOf, type Entry, errorFor, otherErrors } from './draft'
import { ParameterFields } from './ParameterFields'

/** What a run is asked for with, besides its flow. */
export type RunRequest = Pick<CreateFlowRun, 'parameters' | 'name' | 'due_at' | 'labels' | 'log_level'>

interface RunFormProps {
  parameters: readonly ParameterSpec[]
  /** Filled in to begin with: from an earlier run, or the flow's settings. */
  given: RunRequest
  /** The labels that count when none are given here. */
  flowLabels: readonly string[]
  /** What the server found wrong, by field. */
  errors: Record<string, string>
  /** What went wrong as a whole. */
  error: Error | null
  busy: boolean
  onSubmit: (request: RunRequest) => void
  onCancel: () => void
}

const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']

const FIELDS = ['name', 'due_at', 'labels', 'log_level']

/** Asks for a run: the parameters first, then when, and what rarely changes. */
export function RunForm(props: RunFormProps) {
  const { parameters, given, flowLabels, busy, onSubmit, onCancel } = props
  const [entries, setEntries] = useState<Entries>(() => entriesOf(parameters, given.parameters ?? {}))
  const [later, setLater] = useState(given.due_at != null)
  const [due, setDue] = useState(toLocal(given.due_at))
  const [name, setName] = useState(given.name ?? '')
  const [labels, setLabels] = useState(given.labels?.join(', ') ?? '')
  const [level, setLevel] = useState(given.log_level ?? 'INFO')
  const [own, setOwn] = useState<Record<string, string>>({})
  const errors = { ...props.errors, ...own }
  const form = useRef<HTMLFormElement>(null)
  useEffect(() => {
    // The dialog had the focus on its close button while the form was on its way. A phone's keyboard stays away.
    if (!window.matchMedia('(pointer: fine)').matches) return
    form.current?.querySelector<HTMLElement>('input:enabled, select:enabled, textarea:enabled')?.focus()
  }, [])
  const others = otherErrors(errors, [...parameters.map((parameter) => parameter.name), ...FIELDS])

  function change(parameter: string, edit: (entry: Entry) => Entry) {
    setOwn({})
    setEntries((before) => {
      const entry = before[parameter]
      return entry === undefined ? before : { ...before, [parameter]: edit(entry) }
    })
  }

  function submit(event: SyntheticEvent) {
    event.preventDefault()
    const { values, errors: wrong } = collect(parameters, entries)
    const due_at = later ? fromLocal(due) : null
    if (due_at === undefined) wrong['due_at'] = 'Give a date and time.'
    setOwn(wrong)
    if (Object.keys(wrong).length > 0 || due_at === undefined) return
    const chosen = labels.split(',').flatMap((label) => label.trim() || [])
    onSubmit({
      parameters: values,
      name: name.trim() || null,
      due_at,
      labels: labels.trim() === '' ? null : chosen,
      log_level: level,
    })
  }

  return (
    <form ref={form} noValidate onSubmit={submit} className="flex flex-col gap-5">
      {parameters.length === 0 && <p className="text-muted">This flow has no parameters.</p>}
      <ParameterFields parameters={parameters} entries={entries} errors={errors} onChange={change} />
      <div className="grid gap-4 border-t border-line pt-4 sm:grid-cols-2">
        <Field label="When" error={errorFor(errors, 'due_at', true)}>
          <Select
            value={later ? 'later' : 'now'}
            onChange={(event) => setLater(event.target.value === 'later')}
          >
            <option value="now">Now</option>
            <option value="later">Later</option>
          </Select>
        </Field>
        {later && (
          <Field label="Date and time" hint="In your own time zone.">
            <TextInput
              type="datetime-local"
              step={1}
              value={due}
              onChange={(event) => setDue(event.target.value)}
            />
          </Field>
        )}
        <Field
          label="Name of the run"
          hint="Empty: a name is made up."
          error={errorFor(errors, 'name', true)}
        >
          <TextInput value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field
          label="Labels"
          hint={`Separated by commas. Empty: ${flowLabels.length > 0 ? flowLabels.join(', ') : 'none'}, as the flow has them.`}
          error={errorFor(errors, 'labels', true)}
        >
          <TextInput value={labels} onChange={(event) => setLabels(event.target.value)} />
        </Field>
        <Field label="Lowest log level" error={errorFor(errors, 'log_level', true)}>
          <Select value={level} onChange={(event) => setLevel(event.target.value)}>
            {LEVELS.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </Select>
        </Field>
      </div>
      {others.length > 0 && <FormError error={new Error(others.join('. '))} />}
      {Object.keys(props.errors).length === 0 && <FormError error={props.error} />}
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={onCancel}>Cancel</Button>
        <Button type="submit" variant="primary" busy={busy}>
          {later ? 'Schedule the run' : 'Run'}
        </Button>
      </div>
    </form>
  )
}

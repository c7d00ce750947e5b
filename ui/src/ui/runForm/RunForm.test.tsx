import { render, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { expect, test, vi } from 'vitest'
import type { ParameterSpec } from '@/api/generated'
import { RunForm, type RunRequest } from './RunForm'

const PARAMETERS: ParameterSpec[] = [
  { name: 'year', required: true, schema: { type: 'integer' }, description: 'Which year.' },
  { name: 'names', required: false, default: ['a'], schema: { type: 'array', items: { type: 'string' } } },
  {
    name: 'since',
    required: false,
    default: null,
    schema: { anyOf: [{ type: 'string' }, { type: 'null' }] },
  },
]

function show(given: RunRequest = {}, errors: Record<string, string> = {}) {
  const onSubmit = vi.fn<(request: RunRequest) => void>()
  render(
    <RunForm
      parameters={PARAMETERS}
      given={given}
      flowLabels={['net']}
      errors={errors}
      error={Object.keys(errors).length > 0 ? new Error('The parameters are wrong.') : null}
      busy={false}
      onSubmit={onSubmit}
      onCancel={() => undefined}
    />,
  )
  return { onSubmit, user: userEvent.setup() }
}

test('sends only what was given', async () => {
  const { onSubmit, user } = show()
  await user.type(screen.getByLabelText('year (required)'), '2014')
  await user.click(screen.getByRole('button', { name: 'Run' }))
  expect(onSubmit).toHaveBeenCalledWith({
    parameters: { year: 2014 },
    name: null,
    due_at: null,
    labels: null,
    log_level: 'INFO',
  })
})

test('sends nothing while a field cannot be read, and says why beside it', async () => {
  const { onSubmit, user } = show()
  await user.type(screen.getByLabelText('year (required)'), 'soon')
  await user.click(screen.getByRole('button', { name: 'Run' }))
  expect(onSubmit).not.toHaveBeenCalled()
  expect(screen.getByLabelText('year (required)')).toHaveAccessibleDescription(
    expect.stringContaining('Give a number.'),
  )
})

test('lists can grow and shrink, and nothing is a value', async () => {
  const { onSubmit, user } = show({ parameters: { year: 1, names: ['x', 'y'], since: null } })
  await user.click(screen.getByRole('button', { name: 'Add to names' }))
  await user.type(screen.getByLabelText('names 3'), 'z')
  await user.click(screen.getByRole('button', { name: 'Remove names 1' }))
  await user.click(screen.getByRole('button', { name: 'Run' }))
  expect(onSubmit.mock.calls[0]?.[0].parameters).toEqual({ year: 1, names: ['y', 'z'], since: null })
})

test('a run can be asked for later, with labels of its own', async () => {
  const { onSubmit, user } = show({ parameters: { year: 1 }, labels: ['gpu', 'net'] })
  await user.selectOptions(screen.getByLabelText('When'), 'later')
  await user.click(screen.getByRole('button', { name: 'Schedule the run' }))
  expect(onSubmit).not.toHaveBeenCalled()
  await user.type(screen.getByLabelText('Date and time'), '2026-12-24T18:00:00')
  await user.click(screen.getByRole('button', { name: 'Schedule the run' }))
  expect(onSubmit.mock.calls[0]?.[0]).toMatchObject({
    due_at: new Date('2026-12-24T18:00:00').toISOString(),
    labels: ['gpu', 'net'],
  })
})

test('what the server found wrong stands beside the field', () => {
  show(
    { parameters: { year: 1, names: ['a', 'b'] } },
    { 'parameters.names[1]': 'must be a city', 'parameters.other': 'is unknown' },
  )
  expect(screen.getByLabelText('names 2')).toHaveAccessibleDescription(
    expect.stringContaining('must be a city'),
  )
  expect(screen.getByRole('alert')).toHaveTextContent('parameters.other: is unknown')
})

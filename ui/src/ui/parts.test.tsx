import { render, screen, waitFor } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { useState } from 'react'
import { expect, test, vi } from 'vitest'
import { CopyButton } from '@/ui/CopyButton'
import { ConfirmDialog } from '@/ui/Dialog'
import { Field, TextInput } from '@/ui/Field'
import { List } from '@/ui/List'
import { SearchInput } from '@/ui/SearchInput'
import { StateBadge } from '@/ui/StateBadge'
import { StateBar } from '@/ui/StateBar'
import { Tabs } from '@/ui/Tabs'

const nothing = <p>nothing here</p>

test('a list loads, then says that it is empty, or shows what there is', () => {
  const { rerender } = render(
    <List rows={undefined} error={null} retry={vi.fn()} empty={nothing}>
      {(rows) => rows.join()}
    </List>,
  )
  expect(screen.getByRole('status', { name: 'Loading' })).toBeInTheDocument()
  rerender(
    <List rows={[]} error={null} retry={vi.fn()} empty={nothing}>
      {(rows) => rows.join()}
    </List>,
  )
  expect(screen.getByText('nothing here')).toBeInTheDocument()
  rerender(
    <List rows={['one', 'two']} error={null} retry={vi.fn()} more={vi.fn()} empty={nothing}>
      {(rows) => rows.join()}
    </List>,
  )
  expect(screen.getByText('one,two')).toBeInTheDocument()
  expect(screen.getByRole('button', { name: 'Show more' })).toBeEnabled()
})

test('a list that could not be loaded says why and asks again', async () => {
  const retry = vi.fn()
  render(
    <List rows={undefined} error={new Error('The disk is full.')} retry={retry} empty={nothing}>
      {() => null}
    </List>,
  )
  expect(screen.getByRole('alert')).toHaveTextContent('The disk is full.')
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }))
  expect(retry).toHaveBeenCalledOnce()
})

test('what is already shown stays when a later fetch fails', () => {
  render(
    <List rows={['kept']} error={new Error('gone')} retry={vi.fn()} empty={nothing}>
      {(rows) => rows.join()}
    </List>,
  )
  expect(screen.getByText('kept')).toBeInTheDocument()
})

test('a field ties its hint and its error to the control', () => {
  render(
    <Field label="Year" hint="Four digits." error="Too early.">
      <TextInput />
    </Field>,
  )
  const input = screen.getByLabelText('Year')
  expect(input).toHaveAccessibleDescription('Four digits. Too early.')
  expect(input).toBeInvalid()
})

test('a state is a word, and what is derived takes its place', () => {
  const { rerender } = render(<StateBadge state={{ type: 'Failed', name: 'TriggerFailed' }} />)
  expect(screen.getByText('Trigger failed')).toBeInTheDocument()
  rerender(<StateBadge state={{ type: 'Scheduled', name: 'Scheduled' }} late />)
  expect(screen.getByText('Late')).toBeInTheDocument()
  rerender(<StateBadge state={{ type: 'Running', name: 'Running' }} unreachable />)
  expect(screen.getByText('Unreachable')).toBeInTheDocument()
})

test('a bar of states says its counts', () => {
  render(<StateBar states={{ Success: 3, Running: 1, Failed: 0 }} total={8} noun="tasks" />)
  expect(screen.getByRole('img')).toHaveAccessibleName('tasks: 3 success, 1 running')
})

test('a question stays open until it is done, and says why it could not be', async () => {
  const answers = [() => Promise.reject(new Error('It is in use.')), () => Promise.resolve()]
  const change = vi.fn()
  render(
    <ConfirmDialog
      open
      onOpenChange={change}
      title="Remove x?"
      action="Remove"
      onConfirm={() => answers.shift()?.() ?? Promise.resolve()}
    >
      <p>It goes.</p>
    </ConfirmDialog>,
  )
  await userEvent.click(screen.getByRole('button', { name: 'Remove' }))
  expect(await screen.findByRole('alert')).toHaveTextContent('It is in use.')
  expect(change).not.toHaveBeenCalled()
  await userEvent.click(screen.getByRole('button', { name: 'Remove' }))
  await waitFor(() => expect(change).toHaveBeenCalledWith(false))
})

function Search() {
  const [text, setText] = useState('')
  return (
    <>
      <SearchInput label="Search" value={text} onChange={setText} />
      <output>{text}</output>
      <button type="button" onClick={() => setText('from a link')}>
        go
      </button>
    </>
  )
}

test('a search box tells after a pause and follows the address', async () => {
  render(<Search />)
  await userEvent.type(screen.getByLabelText('Search'), 'weather')
  expect(screen.getByRole('status')).toHaveTextContent('')
  await waitFor(() => expect(screen.getByRole('status')).toHaveTextContent('weather'))
  await userEvent.click(screen.getByRole('button', { name: 'go' }))
  expect(screen.getByLabelText('Search')).toHaveValue('from a link')
})

test('tabs are moved through by arrow keys', async () => {
  const change = vi.fn()
  const tabs = [
    { value: 'one', label: 'One' },
    { value: 'two', label: 'Two', count: 3 },
  ] as const
  render(
    <Tabs label="Parts" tabs={tabs} value="one" onChange={change}>
      <p>panel</p>
    </Tabs>,
  )
  await userEvent.click(screen.getByRole('tab', { name: 'One' }))
  await userEvent.keyboard('{ArrowRight}')
  expect(change).toHaveBeenCalledWith('two')
})

test('copying says that it is done', async () => {
  const user = userEvent.setup()
  vi.stubGlobal('isSecureContext', true)
  render(<CopyButton text="headrace agent" label="Copy the command" />)
  await user.click(screen.getByRole('button', { name: 'Copy the command' }))
  expect(await screen.findByText('Copied')).toBeInTheDocument()
  expect(await navigator.clipboard.readText()).toBe('headrace agent')
})

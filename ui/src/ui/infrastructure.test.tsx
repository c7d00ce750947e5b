import { render, screen } from '@testing-library/react'
import { expect, test } from 'vitest'
import { type Fact, Facts } from '@/ui/Facts'
import { executorFacts, runConfigFacts, storageFacts } from '@/ui/infrastructure'

/** What the facts say, name by name. */
function said(facts: readonly Fact[]): Record<string, string> {
  const { container, unmount } = render(<Facts facts={facts} />)
  const names = [...container.querySelectorAll('dt')].map((name) => name.textContent)
  const values = [...container.querySelectorAll('dd')].map((value) => value.textContent)
  unmount()
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
}

test('a storage is said in words, with its place', () => {
  const storage = { kind: 'local', path: '/home/ada/flows/daily', host: 'mill' }
  expect(said(storageFacts(storage))).toEqual({
    Kind: 'a file on the machine that registered the flow',
    File: '/home/ada/flows/daily',
    Host: 'mill',
  })
})

test('what is not set is left out', () => {
  const config = { kind: 'local', env: {}, working_dir: null }
  expect(said(runConfigFacts(config))).toEqual({ Kind: 'a process on the agent’s machine' })
  const executor = { kind: 'process', workers: null }
  expect(said(executorFacts(executor))).toEqual({ Kind: 'tasks in processes of their own' })
})

test('a kind from a newer server keeps its name', () => {
  const config = { kind: 'moon', crater_name: 'Tycho' }
  expect(said(runConfigFacts(config))).toEqual({ Kind: 'moon', 'Crater name': 'Tycho' })
  expect(said(storageFacts({ kind: 'constructor' }))).toEqual({ Kind: 'constructor' })
})

test('variables stand one a line, as they are written', () => {
  const config = { kind: 'docker', image: 'mill:3', env: { REGION: 'eu', TOKEN: '${TOKEN}' } }
  render(<Facts facts={runConfigFacts(config)} />)
  expect(screen.getByText('mill:3')).toBeInTheDocument()
  expect(screen.getAllByRole('listitem').map((line) => line.textContent)).toEqual([
    'mill:3',
    'REGION=eu',
    'TOKEN=${TOKEN}',
  ])
})

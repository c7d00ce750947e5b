import type { Fact } from '@/ui/Facts'

/** Storage, run config and executor in words: what kind each is, and what is set of it. */

const STORAGES: Record<string, string> = {
  local: 'a file on the machine that registered the flow',
  module: 'a module that the run process imports',
}

const RUN_CONFIGS: Record<string, string> = {
  local: 'a process on the agent’s machine',
  docker: 'a container on the agent’s machine',
}

const EXECUTORS: Record<string, string> = {
  local: 'one task after another',
  thread: 'tasks on threads of the run process',
  process: 'tasks in processes of their own',
}

const NAMES: Record<string, string> = {
  path: 'File',
  env: 'Variables',
  working_dir: 'Starts in',
}

interface Kinded {
  kind: string
}

export const storageFacts = (storage: Kinded) => factsOf(storage, STORAGES)
export const runConfigFacts = (config: Kinded) => factsOf(config, RUN_CONFIGS)
export const executorFacts = (executor: Kinded) => factsOf(executor, EXECUTORS)

/** A kind that this page does not know, from a newer server, is called as the server calls it. */
function factsOf({ kind, ...rest }: Kinded, words: Record<string, string>): Fact[] {
  const set = Object.entries(rest).filter(([, value]) => !isEmpty(value))
  return [
    ['Kind', Object.hasOwn(words, kind) ? words[kind] : kind],
    ...set.map(([name, value]): Fact => [fieldName(name), <Value key={name} of={value} />]),
  ]
}

/** "crater_name" reads "Crater name" where no better name is known. */
function fieldName(name: string): string {
  const words = name.replaceAll('_', ' ')
  return NAMES[name] ?? words.charAt(0).toUpperCase() + words.slice(1)
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0
  return value === null || value === undefined || value === ''
}

function Value({ of: value }: { of: unknown }) {
  const lines = Array.isArray(value)
    ? value.map(textOf)
    : typeof value === 'object' && value !== null
      ? Object.entries(value).map(([name, item]) => `${name}=${textOf(item)}`)
      : [textOf(value)]
  return (
    <ul className="font-mono wrap-anywhere">
      {lines.map((line, index) => (
        <li key={index}>{line}</li>
      ))}
    </ul>
  )
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

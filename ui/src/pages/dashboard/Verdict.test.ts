import { expect, test } from 'vitest'
import type { FlowRun, Overview } from '@/api/generated'
import { verdict } from '@/pages/dashboard/Verdict'

function overview(parts: Partial<Overview>): Overview {
  return {
    buckets: [],
    states: {},
    needs_a_look: [],
    running: [],
    upcoming: [],
    agents: { healthy: 1 },
    flows: 1,
    projects: 1,
    settings: { paused: false, paused_at: null, paused_by: '', paused_reason: '' },
    ...parts,
  }
}

function words(parts: Partial<Overview>): string {
  return verdict(overview(parts), 'last hour').words
}

test('the dashboard says in one sentence whether all is well', () => {
  const broken = [{}, {}] as FlowRun[]
  expect(words({ needs_a_look: broken, agents: {} })).toBe('2 runs need a look.')
  expect(words({ agents: {} })).toBe('No agent is connected, so nothing that waits can start.')
  expect(words({ agents: { gone: 2 } })).toBe('No agent is healthy, so nothing that waits can start.')
  expect(words({})).toBe('All is quiet: no run has ended in the last hour.')
  expect(words({ states: { Success: 1 } })).toBe('All is well: one run succeeded in the last hour.')
})

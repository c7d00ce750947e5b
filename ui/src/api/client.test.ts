import { beforeEach, expect, test, vi } from 'vitest'
import { get, href, Problem, rememberCsrfToken, send } from '@/api/client'
import type { ListFlowRunsData, ReadFlowData, UpdateFlowData } from '@/api/generated'

const calls: { address: string; init: RequestInit }[] = []
let answers: (() => Promise<Response>)[] = []

beforeEach(() => {
  calls.length = 0
  vi.stubGlobal('fetch', (address: string, init: RequestInit) => {
    calls.push({ address, init })
    const next = answers.shift()
    return next ? next() : Promise.resolve(new Response('{}'))
  })
})

function says(body: unknown, status = 200): () => Promise<Response> {
  return () => Promise.resolve(new Response(JSON.stringify(body), { status }))
}

function isLost(): Promise<Response> {
  return Promise.reject(new TypeError('Failed to fetch'))
}

function headers(call: number): Headers {
  return new Headers(calls[call]?.init.headers)
}

test('an address has its path filled in and only what was asked in its query', () => {
  expect(href<ReadFlowData>('/api/flows/{flow_id}', { path: { flow_id: 'a/b' } })).toBe('/api/flows/a%2Fb')
  const query = { state: ['Failed', 'Crashed'], project: null, search: '', limit: 5 }
  expect(href<ListFlowRunsData>('/api/flow_runs', { query })).toBe(
    '/api/flow_runs?state=Failed&state=Crashed&limit=5',
  )
})

test('a problem tells what the server says, field by field', async () => {
  answers = [
    says({ title: 'Invalid', detail: 'No such year.', code: 'Invalid', errors: { year: 'too early' } }, 422),
  ]
  const problem = await get<ReadFlowData, unknown>('/api/flows/{flow_id}', { path: { flow_id: 'x' } }).catch(
    (error: unknown) => error,
  )
  expect(problem).toBeInstanceOf(Problem)
  expect(problem).toMatchObject({ status: 422, message: 'No such year.', errors: { year: 'too early' } })
})

test('an error that is no problem document still has its status', async () => {
  answers = [() => Promise.resolve(new Response('<html>Bad gateway</html>', { status: 502 }))]
  const read = get<ReadFlowData, unknown>('/api/flows/{flow_id}', { path: { flow_id: 'x' } })
  await expect(read).rejects.toMatchObject({ status: 502, message: 'The server answered 502.' })
})

test('a change carries the token of the session and a key of its own', async () => {
  rememberCsrfToken('csrf-1')
  const change = () =>
    send<UpdateFlowData, unknown>('PATCH', '/api/flows/{flow_id}', {
      path: { flow_id: 'x' },
      body: { paused: true },
    })
  await change()
  await change()
  expect(headers(0).get('X-CSRF-Token')).toBe('csrf-1')
  expect(calls[0]?.init.body).toBe('{"paused":true}')
  expect(headers(0).get('Idempotency-Key')).toMatch(/^[0-9a-f]{32}$/)
  expect(headers(1).get('Idempotency-Key')).not.toBe(headers(0).get('Idempotency-Key'))
})

test('a change whose answer was lost is sent once more under the same key', async () => {
  answers = [isLost, says({ name: 'kept' })]
  const answer = await send<UpdateFlowData, unknown>('PATCH', '/api/flows/{flow_id}', {
    path: { flow_id: 'x' },
    body: {},
  })
  expect(answer).toEqual({ name: 'kept' })
  expect(calls).toHaveLength(2)
  expect(headers(1).get('Idempotency-Key')).toBe(headers(0).get('Idempotency-Key'))
})

test('a change that is refused is not sent again', async () => {
  answers = [says({ detail: 'No.' }, 409)]
  await expect(
    send<UpdateFlowData, unknown>('PATCH', '/api/flows/{flow_id}', { path: { flow_id: 'x' }, body: {} }),
  ).rejects.toThrow('No.')
  expect(calls).toHaveLength(1)
})

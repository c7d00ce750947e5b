import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query'
import { act, render, screen } from '@testing-library/react'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { useLive, useLiveStatus } from '@/api/live'

/** The browser's own class, as far as a page sees it. */
class Socket {
  static readonly OPEN = 1
  static made: Socket[] = []
  readyState = 0
  readonly sent: string[] = []
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string }) => void) | null = null
  onclose: (() => void) | null = null

  constructor(readonly address: string) {
    Socket.made.push(this)
  }

  open(): void {
    this.readyState = Socket.OPEN
    this.onopen?.()
  }

  send(message: string): void {
    this.sent.push(message)
  }

  tell(topic: string): void {
    this.onmessage?.({ data: JSON.stringify({ topic }) })
  }

  close(): void {
    this.readyState = 3
    this.onclose?.()
  }
}

beforeEach(() => {
  Socket.made = []
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', Socket)
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const fetched = vi.fn((key: string) => Promise.resolve(key))

function Shown({ topics, queryKey }: { topics: string[]; queryKey: string[] }) {
  useLive(topics)
  useQuery({ queryKey, queryFn: () => fetched(queryKey.join(':')) })
  return <p>{useLiveStatus()}</p>
}

function page(...shown: { topics: string[]; queryKey: string[] }[]) {
  return (
    <QueryClientProvider client={client}>
      {shown.map((props) => (
        <Shown key={props.queryKey.join()} {...props} />
      ))}
    </QueryClientProvider>
  )
}

let client = new QueryClient()

beforeEach(() => {
  client = new QueryClient()
  fetched.mockClear()
})

async function pass(milliseconds: number): Promise<void> {
  await act(() => vi.advanceTimersByTimeAsync(milliseconds))
}

const run = { topics: ['flow_run:7'], queryKey: ['flow_run', '7', 'tasks'] }
const agents = { topics: ['agents'], queryKey: ['agents'] }

test('one socket asks for the topics of all that is shown', async () => {
  render(page(run, agents))
  await pass(1)
  expect(Socket.made).toHaveLength(1)
  act(() => Socket.made[0]?.open())
  expect(Socket.made[0]?.sent).toEqual(['{"subscribe":["agents","flow_run:7"]}'])
})

test('a notice fetches what is below its topic and nothing else', async () => {
  render(page(run, agents))
  await pass(1)
  act(() => Socket.made[0]?.open())
  fetched.mockClear()
  Socket.made[0]?.tell('flow_run:7')
  await pass(1)
  expect(fetched.mock.calls).toEqual([['flow_run:7:tasks']])
})

test('a burst of notices costs two fetches, and the last change is seen', async () => {
  render(page(run))
  await pass(1)
  act(() => Socket.made[0]?.open())
  fetched.mockClear()
  for (let count = 0; count < 50; count += 1) Socket.made[0]?.tell('flow_run:7')
  await pass(2_000)
  expect(fetched).toHaveBeenCalledTimes(2)
})

test('what is no longer shown is no longer asked for, and the last one closes the socket', async () => {
  const { rerender } = render(page(run, agents))
  await pass(1)
  act(() => Socket.made[0]?.open())
  rerender(page(agents))
  await pass(1)
  expect(Socket.made[0]?.sent.at(-1)).toBe('{"subscribe":["agents"]}')
  rerender(page())
  await pass(1)
  expect(Socket.made[0]?.readyState).toBe(3)
  await pass(60_000)
  expect(Socket.made).toHaveLength(1)
})

test('without a socket the page is renewed every five seconds until a new one is open', async () => {
  render(page(run))
  await pass(1)
  act(() => Socket.made[0]?.open())
  act(() => Socket.made[0]?.close())
  expect(screen.getByText('reconnecting')).toBeInTheDocument()
  fetched.mockClear()
  await pass(5_000)
  expect(fetched).toHaveBeenCalled()
  const again = Socket.made.at(-1)
  expect(Socket.made.length).toBeGreaterThan(1)
  act(() => again?.open())
  expect(screen.getByText('connected')).toBeInTheDocument()
  expect(again?.sent).toEqual(['{"subscribe":["flow_run:7"]}'])
  await pass(1_000)
  fetched.mockClear()
  await pass(30_000)
  expect(fetched).not.toHaveBeenCalled()
})

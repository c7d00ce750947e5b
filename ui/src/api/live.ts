import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect, useSyncExternalStore } from 'react'

/**
 * What changed, over one WebSocket per tab. A topic is the beginning of a query's key, written with a colon:
 * "flow_run:<id>" is ['flow_run', id]. A notice invalidates the queries below it, and only those on screen are fetched.
 */

export type LiveStatus = 'idle' | 'connected' | 'reconnecting'

const POLL_MS = 5_000
const LONGEST_PAUSE_MS = 30_000
const GAP_MS = 250

class Live {
  private readonly wanted = new Map<string, number>()
  private readonly listeners = new Set<() => void>()
  private readonly left = new Set<string>()
  private readonly stale = new Set<string>()
  private readonly busy = new Set<string>()
  private socket: WebSocket | null = null
  private status: LiveStatus = 'idle'
  private failures = 0
  private sent = ''
  private retry: ReturnType<typeof setTimeout> | undefined
  private poll: ReturnType<typeof setInterval> | undefined
  private settle: ReturnType<typeof setTimeout> | undefined

  constructor(private readonly client: QueryClient) {}

  add(topic: string): void {
    this.wanted.set(topic, (this.wanted.get(topic) ?? 0) + 1)
    this.changed()
  }

  remove(topic: string): void {
    const count = (this.wanted.get(topic) ?? 1) - 1
    if (count) this.wanted.set(topic, count)
    else {
      this.wanted.delete(topic)
      this.left.add(topic)
    }
    this.changed()
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  readonly read = (): LiveStatus => this.status

  /** A page that changes takes its topics back one by one and adds others: one message for all of it. */
  private changed(): void {
    clearTimeout(this.settle)
    this.settle = setTimeout(() => {
      if (this.wanted.size === 0) this.close()
      else if (this.socket === null) this.connect()
      else this.announce()
      this.lookOnceMore()
    }, 0)
  }

  /** The last notices of a topic may be on their way when its listener goes: a run's last lines and its end come together. */
  private lookOnceMore(): void {
    for (const topic of this.left) if (!this.wanted.has(topic)) this.invalidate(topic)
    this.left.clear()
  }

  private connect(): void {
    clearTimeout(this.retry)
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:'
    const socket = new WebSocket(`${scheme}//${location.host}/api/live`)
    this.socket = socket
    this.sent = ''
    socket.onopen = () => {
      this.announce()
      // What happened while nobody listened is not told again.
      if (this.failures > 0) this.refresh()
      this.failures = 0
      clearInterval(this.poll)
      this.poll = undefined
      this.become('connected')
    }
    socket.onmessage = (event) => this.hear(String(event.data))
    socket.onclose = () => {
      if (this.socket !== socket) return
      this.socket = null
      this.lost()
    }
  }

  private announce(): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return
    const message = JSON.stringify({ subscribe: [...this.wanted.keys()].sort() })
    if (message === this.sent) return
    this.sent = message
    this.socket.send(message)
  }

  private hear(data: string): void {
    const notice = JSON.parse(data) as { topic?: string }
    if (notice.topic) this.invalidate(notice.topic)
  }

  private lost(): void {
    if (this.wanted.size === 0) return
    this.failures += 1
    this.become('reconnecting')
    this.poll ??= setInterval(() => this.refresh(), POLL_MS)
    const pause =
      Math.min(LONGEST_PAUSE_MS, 500 * 2 ** Math.min(this.failures, 8)) * (0.5 + Math.random() / 2)
    this.retry = setTimeout(() => this.connect(), pause)
  }

  private refresh(): void {
    for (const topic of this.wanted.keys()) this.invalidate(topic)
  }

  /**
   * One fetch at a time for each topic, and a pause after it: a busy run tells of changes faster than they can be
   * fetched, and a fetch that is cancelled by the next notice would never end.
   */
  private invalidate(topic: string): void {
    this.stale.add(topic)
    if (this.busy.has(topic)) return
    this.busy.add(topic)
    void this.fetch(topic)
  }

  private async fetch(topic: string): Promise<void> {
    while (this.stale.delete(topic)) {
      await this.client.invalidateQueries({ queryKey: topic.split(':') })
      await new Promise((resolve) => setTimeout(resolve, GAP_MS))
    }
    this.busy.delete(topic)
  }

  private close(): void {
    clearTimeout(this.retry)
    clearInterval(this.poll)
    this.poll = undefined
    this.failures = 0
    const socket = this.socket
    this.socket = null
    socket?.close()
    this.become('idle')
  }

  private become(status: LiveStatus): void {
    if (status === this.status) return
    this.status = status
    for (const listener of this.listeners) listener()
  }
}

const connections = new WeakMap<QueryClient, Live>()

function useConnection(): Live {
  const client = useQueryClient()
  const known = connections.get(client)
  if (known) return known
  const made = new Live(client)
  connections.set(client, made)
  return made
}

/** Keeps the queries of these topics fresh while the component is shown. Pass nothing for what is finished. */
export function useLive(topics: readonly string[]): void {
  const live = useConnection()
  const key = topics.join(' ')
  useEffect(() => {
    const own = key ? key.split(' ') : []
    for (const topic of own) live.add(topic)
    return () => {
      for (const topic of own) live.remove(topic)
    }
  }, [live, key])
}

export function useLiveStatus(): LiveStatus {
  const live = useConnection()
  return useSyncExternalStore(live.subscribe, live.read)
}

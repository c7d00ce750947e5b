import type { Problem as ProblemBody } from '@/api/generated'

type Request = { body?: unknown; path?: unknown; query?: unknown; url: string }
type Parts<D extends Request> = Omit<D, 'url'>

/** An answer that is an error, as the server words it; `status` 0 where no answer came at all. */
export class Problem extends Error {
  readonly title: string
  readonly status: number
  readonly code: string
  readonly errors: Record<string, string>
  readonly facts: Record<string, unknown>
  readonly requestId: string

  constructor(body: Partial<ProblemBody> & { status: number }) {
    super(body.detail ?? body.title ?? `The server answered ${body.status}.`)
    this.name = 'Problem'
    this.title = body.title ?? 'Something went wrong'
    this.status = body.status
    this.code = body.code ?? ''
    this.errors = body.errors ?? {}
    this.facts = body.facts ?? {}
    this.requestId = body.request_id ?? ''
  }
}

/** Whether what was asked for does not exist: asking again does not help. */
export function isMissing(error: unknown): boolean {
  return error instanceof Problem && error.status === 404
}

let csrfToken = ''

/** The token that unsafe requests carry; it comes with every answer to "who am I". */
export function rememberCsrfToken(token: string): void {
  csrfToken = token
}

/** The address of an operation, with its path filled in and its query written; null and undefined are left out. */
export function href<D extends Request>(url: D['url'], parts: Pick<D, 'path' | 'query'>): string {
  const path = (parts.path ?? {}) as Record<string, string>
  const filled = url.replace(/{(\w+)}/g, (_, name: string) => encodeURIComponent(path[name] ?? ''))
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(parts.query ?? {})) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null && item !== '') search.append(name, String(item))
    }
  }
  const query = search.toString()
  return query ? `${filled}?${query}` : filled
}

/** Reads. The types come from the operation: `get<ReadFlowData, ReadFlowResponse>('/api/flows/{flow_id}', …)`. */
export async function get<D extends Request, A>(
  url: D['url'],
  parts: Parts<D>,
  signal?: AbortSignal,
): Promise<A> {
  return answer<A>(await reach(href<D>(url, parts), { signal: signal ?? null }))
}

/** Changes. A request whose answer was lost on the way is sent once more under the same key, so it has one effect. */
export async function send<D extends Request, A>(
  method: 'POST' | 'PATCH' | 'DELETE',
  url: D['url'],
  parts: Parts<D>,
): Promise<A> {
  const headers: Record<string, string> = { 'Idempotency-Key': requestId(), 'X-CSRF-Token': csrfToken }
  const init: RequestInit = { method, headers }
  if (method !== 'DELETE') {
    headers['Content-Type'] = 'application/json'
    init.body = JSON.stringify(parts.body ?? {})
  }
  const address = href<D>(url, parts)
  try {
    return await answer<A>(await reach(address, init))
  } catch (error) {
    if (!(error instanceof Problem && error.status === 0)) throw error
    return answer<A>(await reach(address, init))
  }
}

async function reach(address: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(address, { credentials: 'same-origin', ...init })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Problem({
      status: 0,
      title: 'The server does not answer',
      detail:
        'The server does not answer. It may be restarting; this page goes on by itself once it is back.',
    })
  }
}

async function answer<A>(response: Response): Promise<A> {
  const text = await response.text()
  if (response.ok) return (text ? JSON.parse(text) : {}) as A
  throw new Problem({ ...problemIn(text), status: response.status })
}

function problemIn(text: string): Partial<ProblemBody> {
  try {
    return JSON.parse(text) as Partial<ProblemBody>
  } catch {
    return {}
  }
}

/** `crypto.randomUUID` exists on secure origins only, and a server in a local network has none. */
function requestId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

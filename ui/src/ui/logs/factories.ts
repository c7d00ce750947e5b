import type { LogLine } from '@/api/generated'
import type { LogPage, ReadPage } from './window'

/** A record, by its place in the log. */
function logLine(place: number, given: Partial<LogLine> = {}): LogLine {
  return {
    number: 2 ** 32 + place,
    attempt: 1,
    at: new Date(Date.UTC(2026, 0, 1) + place * 10).toISOString(),
    level: 20,
    logger: 'headrace.task',
    message: `line ${place}`,
    task: 'clean',
    map_index: -1,
    ...given,
  }
}

/** A log on a server: pages by keyset, and a count of the requests. */
export class ServedLog {
  lines: LogLine[]
  requests = 0
  failing = false

  constructor(
    count: number,
    private readonly limit = 100,
  ) {
    this.lines = Array.from({ length: count }, (_, place) => logLine(place))
  }

  write(count: number) {
    for (let written = 0; written < count; written++) this.lines.push(logLine(this.lines.length))
  }

  readonly read: ReadPage = async (direction, after): Promise<LogPage> => {
    this.requests += 1
    await Promise.resolve()
    if (this.failing) throw new Error('the server is away')
    const list = direction === 'forward' ? this.lines : this.lines.toReversed()
    const start = after === undefined ? 0 : list.findIndex((line) => String(line.number) === after) + 1
    const items = list.slice(start, start + this.limit)
    const last = items.at(-1)
    return { items, next: start + this.limit < list.length && last ? String(last.number) : null }
  }
}

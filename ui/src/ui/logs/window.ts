import type { LogLine } from '@/api/generated'

/** A part of the list, as the server gives it. */
export interface LogPage {
  items: LogLine[]
  next?: string | null
}

/** Reads lines by keyset: forward from the first line, or backward from the last. */
export type ReadPage = (direction: 'forward' | 'backward', after: string | undefined) => Promise<LogPage>

interface Front {
  lines: LogLine[]
  next: string | undefined
  done: boolean
}

/** A record's number is its attempt's fence times this, and its place in the attempt: most often its place in all. */
const ATTEMPT = 2 ** 32

/** The place of a record in its attempt, from 0. */
export const placeIn = (number: number) => number % ATTEMPT

const empty = (): Front => ({ lines: [], next: undefined, done: false })

const find = (lines: readonly LogLine[], number: number) => lines.findIndex((line) => line.number === number)

/**
 * A list of lines too long to be read at once, of which any place can be asked for. Keyset cursors lead only from one
 * page to the next, so two fronts grow from both ends towards each other, as far as somebody looks.
 */
export class LogWindow {
  /** From the first line on. */
  private head = empty()
  /** From the last line back. */
  private tail = empty()
  private wanted: readonly [first: number, last: number] = [0, -1]
  private written: number
  private reading: Promise<void> = Promise.resolve()
  private busy = false
  private readonly listeners = new Set<() => void>()
  private length: number
  /** Rises with each change, for a view to compare. */
  version = 0
  error: unknown = undefined

  constructor(
    private readonly read: ReadPage,
    total: number,
    /** Whether backward is the exact reverse of forward. Without it the list does not grow while it is looked at. */
    private readonly twoWay = true,
  ) {
    this.length = total
    this.written = total
  }

  get total(): number {
    return this.length
  }

  /** The line at a place, undefined while it has not been read. */
  at(index: number): LogLine | undefined {
    if (index < this.head.lines.length) return this.head.lines[index]
    const fromEnd = this.length - 1 - index
    return fromEnd >= 0 ? this.tail.lines[fromEnd] : undefined
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Says what is looked at; what of it is not there yet is read. */
  need(first: number, last: number): Promise<void> {
    this.wanted = [Math.max(0, first), last]
    return this.work()
  }

  /** There are so many lines now: those new at the end are read. */
  grow(total: number): Promise<void> {
    if (!this.twoWay) return Promise.resolve()
    this.written = Math.max(this.written, total)
    return this.work()
  }

  /** Tries again after an error. */
  retry(): Promise<void> {
    this.error = undefined
    this.changed()
    return this.work()
  }

  /** The place of a line by its number, reading as far as needed; undefined where the list has no such line. */
  async find(number: number): Promise<number | undefined> {
    let look: number | undefined = Math.min(placeIn(number), this.length - 1)
    while (look !== undefined && look >= 0 && this.error === undefined) {
      await this.need(look, look)
      const found = this.indexOf(number)
      if (found !== undefined) return found
      look = this.firstMissing(0, this.length - 1)
    }
    return this.indexOf(number)
  }

  private indexOf(number: number): number | undefined {
    const inHead = find(this.head.lines, number)
    if (inHead >= 0) return inHead
    const inTail = find(this.tail.lines, number)
    return inTail >= 0 ? this.length - 1 - inTail : undefined
  }

  private firstMissing(first: number, last: number): number | undefined {
    const from = Math.max(first, this.head.lines.length)
    const to = Math.min(last, this.length - 1 - this.tail.lines.length)
    return from <= to ? from : undefined
  }

  private work(): Promise<void> {
    if (!this.busy) this.reading = this.readOn()
    return this.reading
  }

  private async readOn(): Promise<void> {
    this.busy = true
    try {
      while (this.error === undefined) {
        const [first, last] = this.wanted
        if (this.twoWay && this.written > this.length) await this.readNew()
        else if (this.firstMissing(first, last) === undefined) return
        else await this.fill(first, last)
        this.changed()
      }
    } catch (error) {
      this.error = error
      this.changed()
    } finally {
      // Here, not in a callback of the promise: what is asked for before that ran would be forgotten.
      this.busy = false
    }
  }

  /** Lengthens the front that is nearer to what is looked at. */
  private async fill(first: number, last: number) {
    const fromHead = last - this.head.lines.length
    const fromTail = this.length - this.tail.lines.length - first
    const direction = !this.twoWay || fromHead <= fromTail ? 'forward' : 'backward'
    await this.extend(direction === 'forward' ? this.head : this.tail, direction)
    this.meet()
  }

  private async extend(front: Front, direction: 'forward' | 'backward') {
    const page = await this.read(direction, front.next)
    front.lines = front.lines.concat(page.items)
    front.next = page.next ?? undefined
    front.done = front.next === undefined
  }

  /** A front that has reached the other end is the whole list. Where both overlap, the true length is known. */
  private meet() {
    if (this.head.done) this.tail = empty()
    else if (this.tail.done) this.head = empty()
    const [head, tail] = [this.head.lines, this.tail.lines]
    if (this.head.done || this.tail.done) this.length = head.length + tail.length
    else if (head.length + tail.length >= this.length) {
      const shared = find(tail, head.at(-1)?.number ?? -1)
      this.length = head.length + (shared < 0 ? tail.length + 1 : shared)
    }
  }

  private async readNew() {
    const newest = this.tail.lines[0] ?? (this.head.done ? this.head.lines.at(-1) : undefined)
    const fresh = empty()
    let known: number
    do {
      await this.extend(fresh, 'backward')
      known = newest === undefined ? -1 : find(fresh.lines, newest.number)
    } while (newest !== undefined && known < 0 && !fresh.done)
    if (newest === undefined) {
      this.tail = fresh
      this.length = this.written
      this.meet()
    } else {
      const added = known < 0 ? [] : fresh.lines.slice(0, known)
      if (this.head.done) this.head.lines = this.head.lines.concat(added.toReversed())
      else this.tail.lines = added.concat(this.tail.lines)
      this.length += added.length
    }
    // What was counted and what was read are of two moments: what was read decides.
    this.written = this.length
  }

  private changed() {
    this.version += 1
    for (const listener of this.listeners) listener()
  }
}

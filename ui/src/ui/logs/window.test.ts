import { describe, expect, test } from 'vitest'
import { ServedLog } from './factories'
import { LogWindow } from './window'

const all = (lines: LogWindow) => Array.from({ length: lines.total }, (_, index) => lines.at(index)?.message)

const wanted = (count: number) => Array.from({ length: count }, (_, index) => `line ${index}`)

describe('a window on a long log', () => {
  test('reads only what is looked at', async () => {
    const log = new ServedLog(100_000)
    const lines = new LogWindow(log.read, 100_000)
    await lines.need(0, 40)
    expect(lines.at(40)?.message).toBe('line 40')
    expect(lines.at(50_000)).toBeUndefined()
    expect(log.requests).toBe(1)
  })

  test('reads the end from the end', async () => {
    const log = new ServedLog(100_000)
    const lines = new LogWindow(log.read, 100_000)
    await lines.need(99_960, 99_999)
    expect(lines.at(99_999)?.message).toBe('line 99999')
    expect(lines.at(99_960)?.message).toBe('line 99960')
    expect(log.requests).toBe(1)
  })

  test('reads the middle from the nearer end', async () => {
    const log = new ServedLog(1_000)
    const lines = new LogWindow(log.read, 1_000)
    await lines.need(650, 660)
    expect(lines.at(655)?.message).toBe('line 655')
    expect(log.requests).toBe(4)
  })

  test('has every line once after both fronts have met', async () => {
    const log = new ServedLog(950)
    const lines = new LogWindow(log.read, 950)
    await lines.need(900, 949)
    await lines.need(0, 949)
    expect(all(lines)).toEqual(wanted(950))
  })

  test('follows lines that are written meanwhile', async () => {
    const log = new ServedLog(250)
    const lines = new LogWindow(log.read, 250)
    await lines.need(230, 249)
    log.write(130)
    await lines.grow(380)
    expect(lines.total).toBe(380)
    await lines.need(0, 379)
    expect(all(lines)).toEqual(wanted(380))
  })

  test('follows a log that was empty and one that was read to its end', async () => {
    const log = new ServedLog(0)
    const lines = new LogWindow(log.read, 0)
    await lines.need(0, 20)
    log.write(30)
    await lines.grow(30)
    log.write(5)
    await lines.grow(35)
    await lines.need(0, 34)
    expect(all(lines)).toEqual(wanted(35))
  })

  test('believes what it reads when the count is of another moment', async () => {
    const fewer = new ServedLog(80)
    const short = new LogWindow(fewer.read, 90)
    await short.need(0, 89)
    expect(all(short)).toEqual(wanted(80))

    const more = new ServedLog(450)
    const long = new LogWindow(more.read, 300)
    await long.need(0, 99)
    await long.need(250, 299)
    await long.need(0, long.total - 1)
    await long.need(0, long.total - 1)
    expect(all(long)).toEqual(wanted(450))
  })

  test('asks for new lines that are looked for while it reads', async () => {
    const log = new ServedLog(300)
    const lines = new LogWindow(log.read, 300)
    const first = lines.need(0, 10)
    const second = lines.need(290, 299)
    await Promise.all([first, second])
    expect(lines.at(299)?.message).toBe('line 299')
  })

  test('forgets nothing that is asked for as soon as it has nothing to do', async () => {
    const log = new ServedLog(300)
    const lines = new LogWindow(log.read, 300)
    const nothing = lines.grow(300)
    const something = lines.need(0, 10)
    await Promise.all([nothing, something])
    expect(lines.at(10)?.message).toBe('line 10')
  })

  test('finds a line by its number, and says where there is none', async () => {
    const log = new ServedLog(1_000)
    log.lines.splice(100, 300)
    const lines = new LogWindow(log.read, 700)
    expect(await lines.find(2 ** 32 + 650)).toBe(350)
    expect(await lines.find(2 ** 32 + 200)).toBeUndefined()
  })

  test('keeps an error until it is told to try again', async () => {
    const log = new ServedLog(300)
    const lines = new LogWindow(log.read, 300)
    log.failing = true
    await lines.need(0, 10)
    expect(lines.error).toEqual(new Error('the server is away'))
    log.failing = false
    await lines.retry()
    expect(lines.error).toBeUndefined()
    expect(lines.at(10)?.message).toBe('line 10')
  })

  test('without a way back reads forward only', async () => {
    const log = new ServedLog(1_000)
    const lines = new LogWindow(log.read, 1_000, false)
    await lines.need(990, 999)
    expect(lines.at(999)?.message).toBe('line 999')
    expect(log.requests).toBe(10)
  })

  test('tells who listens', async () => {
    const lines = new LogWindow(new ServedLog(10).read, 10)
    let told = 0
    const stop = lines.subscribe(() => (told += 1))
    await lines.need(0, 9)
    expect(told).toBe(1)
    stop()
    await lines.grow(20)
    expect(told).toBe(1)
  })
})

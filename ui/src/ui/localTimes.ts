/** Times of the wire (UTC) in the user's zone: for the browser's own date and time fields, and to the millisecond. */

export function toLocal(value: unknown): string {
  if (typeof value !== 'string' || Number.isNaN(Date.parse(value))) return ''
  const date = new Date(value)
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19)
}

/** Undefined where the text is no date and time. */
export function fromLocal(text: string): string | undefined {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hour12: false,
})

/** The time of day to the millisecond, for lists of what followed what. */
export function clockTime(at: string): string {
  return clock.format(new Date(at))
}

/** The periods that a dashboard looks back over, each in parts that are round times. */
export const PERIODS = [
  { value: '1h', label: 'last hour', hours: 1, buckets: 30 },
  { value: '24h', label: 'last 24 hours', hours: 24, buckets: 48 },
  { value: '7d', label: 'last 7 days', hours: 168, buckets: 42 },
  { value: '30d', label: 'last 30 days', hours: 720, buckets: 30 },
] as const

export function periodOf(value: string | undefined): (typeof PERIODS)[number] {
  return PERIODS.find((period) => period.value === value) ?? PERIODS[1]
}

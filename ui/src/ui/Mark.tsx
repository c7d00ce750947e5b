import { classes } from '@/ui/classes'

/** The wheel in the race; it turns while something runs. */
export function Mark({ turning = false, size = 22 }: { turning?: boolean; size?: number }) {
  return (
    <svg
      aria-hidden
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      className={classes('shrink-0 text-accent', turning && 'animate-turn')}
    >
      <circle cx="12" cy="12" r="6.5" />
      <circle cx="12" cy="12" r="1.6" fill="currentColor" stroke="none" />
      <path d="M12 1.8v3.7M19.2 4.8l-2.6 2.6M22.2 12h-3.7M19.2 19.2l-2.6-2.6M12 22.2v-3.7M4.8 19.2l2.6-2.6M1.8 12h3.7M4.8 4.8l2.6 2.6" />
    </svg>
  )
}

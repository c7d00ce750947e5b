import { CircleCheck, ClockAlert, type LucideIcon, Unplug } from 'lucide-react'
import { stateWords } from '@/ui/states'

const LOOKS: Record<string, { icon: LucideIcon; state: string }> = {
  healthy: { icon: CircleCheck, state: 'Success' },
  late: { icon: ClockAlert, state: 'Late' },
  gone: { icon: Unplug, state: 'Cancelled' },
}

export function AgentHealth({ health, draining = false }: { health: string; draining?: boolean }) {
  const { icon: Icon, state } = LOOKS[health] ?? { icon: ClockAlert, state: 'Late' }
  return (
    <span
      data-state-type={state}
      className="inline-flex h-6 items-center gap-1 rounded-sm bg-state-soft px-1.5 text-sm font-medium whitespace-nowrap text-state"
    >
      <Icon aria-hidden size={14} />
      {stateWords(health)}
      {draining && ', takes no more'}
    </span>
  )
}

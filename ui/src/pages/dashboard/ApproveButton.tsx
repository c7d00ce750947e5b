import { Check } from 'lucide-react'
import type { FlowRun } from '@/api/generated'
import { useMay } from '@/api/me'
import { useResumeFlowRun } from '@/api/runs'
import { Button } from '@/ui/Button'
import { toastError } from '@/ui/Toast'

/** Lets a paused run go on. */
export function ApproveButton({ run }: { run: FlowRun }) {
  const mayRun = useMay('run')
  const resume = useResumeFlowRun()
  if (!mayRun) return null
  return (
    <Button
      icon={Check}
      className="self-start"
      aria-label={`Approve ${run.name}`}
      busy={resume.isPending}
      onClick={() =>
        resume.mutate(run.id, { onError: (error) => toastError('The run is still paused', error) })
      }
    >
      Approve
    </Button>
  )
}

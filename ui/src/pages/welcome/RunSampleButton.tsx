import { useNavigate } from '@tanstack/react-router'
import { Play } from 'lucide-react'
import type { Flow } from '@/api/generated'
import { useCreateFlowRun } from '@/api/runs'
import { Button } from '@/ui/Button'
import { toastError } from '@/ui/Toast'

/** Runs the sample as it is and goes to watch it. */
export function RunSampleButton({ flow }: { flow: Flow }) {
  const navigate = useNavigate()
  const create = useCreateFlowRun()
  return (
    <Button
      variant="primary"
      icon={Play}
      busy={create.isPending}
      onClick={() =>
        create.mutate(
          { flow_id: flow.id },
          {
            onSuccess: (run) => void navigate({ to: '/flow-runs/$flowRunId', params: { flowRunId: run.id } }),
            onError: (error) => toastError('The sample could not be started', error),
          },
        )
      }
    >
      Run {flow.name}
    </Button>
  )
}

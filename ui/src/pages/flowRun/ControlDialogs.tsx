import { useNavigate } from '@tanstack/react-router'
import { type ReactNode, type SyntheticEvent, useId, useState } from 'react'
import { useDeleteFlowRun, useMarkFlowRun, usePauseFlowRun, useRejectFlowRun } from '@/api/control'
import type { FlowRun } from '@/api/generated'
import { Button } from '@/ui/Button'
import { ConfirmDialog, Dialog } from '@/ui/Dialog'
import { Field, FormError, Select, TextInput } from '@/ui/Field'
import { isFinished } from '@/ui/states'
import { toast } from '@/ui/Toast'

const HOUR = 3600
const PAUSES = [
  { label: 'Until somebody approves', seconds: null },
  { label: 'At most an hour', seconds: HOUR },
  { label: 'At most a day', seconds: 24 * HOUR },
  { label: 'At most a week', seconds: 7 * 24 * HOUR },
] as const

interface Asked {
  run: FlowRun
  onClose: () => void
}

interface SayDialogProps extends Asked {
  title: string
  /** What it comes to. */
  means: string
  action: string
  /** What the words are called, and whether they may be left out. */
  words: { label: string; required: boolean }
  change: { error: Error | null; isPending: boolean }
  onSay: (words: string) => void
  children?: ReactNode
}

/** Asks for words that the run's history keeps, and does it. */
function SayDialog({ title, means, action, words, change, onSay, onClose, children }: SayDialogProps) {
  const form = useId()
  const [said, setSaid] = useState('')
  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    onSay(said.trim())
  }
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={title}
      description={means}
      footer={
        <>
          <Button onClick={onClose}>Leave it</Button>
          <Button type="submit" form={form} variant="primary" busy={change.isPending}>
            {action}
          </Button>
        </>
      }
    >
      <form id={form} onSubmit={submit} className="flex flex-col gap-4">
        {children}
        <Field label={words.label} hint="Kept in the run's history.">
          <TextInput
            required={words.required}
            maxLength={1000}
            value={said}
            onChange={(event) => setSaid(event.target.value)}
          />
        </Field>
        <FormError error={change.error} />
      </form>
    </Dialog>
  )
}

export function PauseDialog({ run, onClose }: Asked) {
  const pause = usePauseFlowRun()
  const [choice, setChoice] = useState(0)
  const onSuccess = () => {
    toast('It pauses when its running tasks have ended')
    onClose()
  }
  return (
    <SayDialog
      run={run}
      onClose={onClose}
      title={`Pause the run ${run.name}?`}
      means="Tasks that run now end first. A paused run holds no process, and goes on where it stopped."
      action="Pause the run"
      words={{ label: 'Comment', required: false }}
      change={pause}
      onSay={(comment) =>
        pause.mutate({ flowRunId: run.id, comment, seconds: PAUSES[choice]?.seconds ?? null }, { onSuccess })
      }
    >
      <Field label="For how long" hint="When the time is over, the run ends as Failed.">
        <Select value={choice} onChange={(event) => setChoice(Number(event.target.value))}>
          {PAUSES.map(({ label }, index) => (
            <option key={label} value={index}>
              {label}
            </option>
          ))}
        </Select>
      </Field>
    </SayDialog>
  )
}

export function RejectDialog({ run, onClose }: Asked) {
  const reject = useRejectFlowRun()
  return (
    <SayDialog
      run={run}
      onClose={onClose}
      title={`Reject the run ${run.name}?`}
      means="It does not go on: it ends as Cancelled."
      action="Reject"
      words={{ label: 'Comment', required: false }}
      change={reject}
      onSay={(comment) => reject.mutate({ flowRunId: run.id, comment }, { onSuccess: onClose })}
    />
  )
}

export function MarkDialog({ run, onClose }: Asked) {
  const mark = useMarkFlowRun()
  const [type, setType] = useState<'Success' | 'Failed'>(run.state.type === 'Success' ? 'Failed' : 'Success')
  return (
    <SayDialog
      run={run}
      onClose={onClose}
      title={`Mark the run ${run.name}`}
      means={
        isFinished(run.state.type)
          ? 'Its state stays as it is; the mark is shown beside it.'
          : 'It ends so, and its process is ended.'
      }
      action="Mark the run"
      words={{ label: 'Reason', required: true }}
      change={mark}
      onSay={(reason) => mark.mutate({ flowRunId: run.id, type, reason }, { onSuccess: onClose })}
    >
      <Field label="As">
        <Select value={type} onChange={(event) => setType(event.target.value as typeof type)}>
          <option>Success</option>
          <option>Failed</option>
        </Select>
      </Field>
    </SayDialog>
  )
}

export function DeleteDialog({ run, onClose }: Asked) {
  const remove = useDeleteFlowRun()
  const navigate = useNavigate()
  return (
    <ConfirmDialog
      open
      onOpenChange={onClose}
      title={`Delete the run ${run.name}?`}
      action="Delete the run"
      onConfirm={async () => {
        await remove.mutateAsync(run.id)
        await navigate({ to: '/flows/$flowId', params: { flowId: run.flow_id } })
      }}
    >
      <p>Its history, its task runs and its log lines go with it. Results stay where they were written.</p>
    </ConfirmDialog>
  )
}

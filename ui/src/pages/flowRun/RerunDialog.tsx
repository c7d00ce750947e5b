import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type SyntheticEvent, useDeferredValue, useId, useMemo, useState } from 'react'
import { Problem } from '@/api/client'
import { type RerunRequest, rerunPreviewQuery, useRerunFlowRun } from '@/api/control'
import { flowQuery, versionQuery } from '@/api/flows'
import type { FlowRun, FlowStructure } from '@/api/generated'
import { taskChoice } from '@/pages/flowRun/parts'
import { RerunPlan } from '@/pages/flowRun/RerunPlan'
import { Button } from '@/ui/Button'
import { Dialog } from '@/ui/Dialog'
import { ErrorState } from '@/ui/EmptyState'
import { Field, FormError, Select } from '@/ui/Field'
import { collect, type Entries, entriesOf, otherErrors } from '@/ui/runForm/draft'
import { ParameterFields } from '@/ui/runForm/ParameterFields'
import { SkeletonRows } from '@/ui/Skeleton'

interface RerunDialogProps {
  run: FlowRun
  /** The task run to begin with, as the address has it: "clean" or "clean[3]". */
  from: string | undefined
  onClose: () => void
}

/** Runs a run again as a new one: what to run anew, with which version and parameters, and what that comes to. */
export function RerunDialog({ run, from, onClose }: RerunDialogProps) {
  const version = useQuery(versionQuery(run.version_id))
  return (
    <Dialog
      open
      wide
      onOpenChange={onClose}
      title={`Re-run ${run.name}`}
      description="A new run, which takes over the results that are still good."
    >
      {version.data ? (
        <RerunForm run={run} from={from} structure={version.data} onClose={onClose} />
      ) : version.error ? (
        <ErrorState error={version.error} retry={() => void version.refetch()} />
      ) : (
        <SkeletonRows />
      )}
    </Dialog>
  )
}

const FAILED = 'failed'
const ALL = 'all'

function RerunForm({ run, from, structure, onClose }: RerunDialogProps & { structure: FlowStructure }) {
  const form = useId()
  const parameters = useMemo(() => structure.structure.parameters ?? [], [structure])
  const tasks = structure.structure.tasks.filter((task) => task.kind !== 'parameter')
  const flow = useQuery(flowQuery(run.flow_id))
  const rerun = useRerunFlowRun()
  const navigate = useNavigate()
  const [start, setStart] = useState(from ? `task:${from}` : run.state.type === 'Success' ? ALL : FAILED)
  const [newest, setNewest] = useState(false)
  const [entries, setEntries] = useState<Entries>(() => entriesOf(parameters, run.parameters))
  const { values, errors: unread } = useMemo(() => collect(parameters, entries), [parameters, entries])
  const request = useMemo<RerunRequest>(() => {
    const chosen = start.startsWith('task:') ? taskChoice(start.slice('task:'.length)) : undefined
    const changed = Object.entries(values).filter(
      ([name, value]) => JSON.stringify(value) !== JSON.stringify(run.parameters[name]),
    )
    return {
      tasks: chosen ? [{ slug: chosen.slug, map_index: chosen.mapIndex < 0 ? null : chosen.mapIndex }] : [],
      from_start: start === ALL,
      parameters: Object.fromEntries(changed),
      version: newest ? 0 : null,
    }
  }, [start, newest, values, run.parameters])
  const preview = useQuery(rerunPreviewQuery(run.id, useDeferredValue(request)))
  const problem = rerun.error ?? preview.error
  const refused = problem instanceof Problem ? problem.errors : {}
  const errors = { ...refused, ...unread }
  const others = otherErrors(
    refused,
    parameters.map(({ name }) => name),
  )
  const newer = flow.data && flow.data.current_version_id !== run.version_id

  function submit(event: SyntheticEvent): void {
    event.preventDefault()
    if (Object.keys(unread).length > 0) return
    rerun.mutate(
      { flowRunId: run.id, ...request },
      { onSuccess: (made) => void navigate({ to: '/flow-runs/$flowRunId', params: { flowRunId: made.id } }) },
    )
  }

  return (
    <form id={form} noValidate onSubmit={submit} className="flex flex-col gap-5">
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label="Run anew" hint="All that is below it runs as well.">
          <Select value={start} onChange={(event) => setStart(event.target.value)}>
            <option value={FAILED}>What did not succeed</option>
            <option value={ALL}>Everything</option>
            {from && taskChoice(from)?.mapIndex !== -1 && <option value={`task:${from}`}>From {from}</option>}
            {tasks.map((task) => (
              <option key={task.slug} value={`task:${task.slug}`}>
                From {task.name === task.slug ? task.name : `${task.name} (${task.slug})`}
              </option>
            ))}
          </Select>
        </Field>
        {newer && (
          <Field label="Version">
            <Select
              value={newest ? 'current' : 'same'}
              onChange={(event) => setNewest(event.target.value === 'current')}
            >
              <option value="same">{run.version}, as it ran</option>
              <option value="current">{flow.data.current_version}, the current one</option>
            </Select>
          </Field>
        )}
      </div>
      {parameters.length > 0 && (
        <details>
          <summary className="font-medium">Parameters ({parameters.length})</summary>
          <div className="mt-3 flex flex-col gap-4">
            <ParameterFields
              parameters={parameters}
              entries={entries}
              errors={errors}
              onChange={(name, change) =>
                setEntries((before) => {
                  const entry = before[name]
                  return entry === undefined ? before : { ...before, [name]: change(entry) }
                })
              }
            />
          </div>
        </details>
      )}
      <RerunPlan preview={preview.data} names={new Map(tasks.map((task) => [task.slug, task.name]))} />
      {others.length > 0 && <FormError error={new Error(others.join('. '))} />}
      {Object.keys(refused).length === 0 && <FormError error={problem} />}
      <div className="flex flex-wrap justify-end gap-2">
        <Button onClick={onClose}>Leave it</Button>
        <Button
          type="submit"
          variant="primary"
          busy={rerun.isPending}
          disabled={preview.error !== null || preview.data?.runs === 0}
        >
          Re-run
        </Button>
      </div>
    </form>
  )
}

import type { RerunPreview, RerunTask } from '@/api/generated'
import { SkeletonRows } from '@/ui/Skeleton'
import { type Column, Table } from '@/ui/Table'

/** Why a task runs anew, by the server's word for it. */
const WHY: Record<string, string> = {
  start: 'you asked for everything',
  chosen: 'you chose it',
  changed: 'it differs in this version',
  unfinished: 'it did not succeed',
  parameter: 'its parameter changes',
  not_kept: 'its result was not kept',
  below: 'it depends on one that runs',
  resource: 'it sets up what another needs',
}

interface RerunPlanProps {
  preview: RerunPreview | undefined
  names: ReadonlyMap<string, string>
}

/** What a re-run comes to, before it is asked for. */
export function RerunPlan({ preview, names }: RerunPlanProps) {
  if (preview === undefined) return <SkeletonRows rows={3} />
  const columns: readonly Column<RerunTask>[] = [
    {
      title: 'Task',
      cell: ({ slug }) => <span className="wrap-anywhere">{names.get(slug) ?? slug}</span>,
    },
    { title: 'Runs', cell: ({ runs, open }) => `${runs.toLocaleString()}${open ? '+' : ''}`, numeric: true },
    { title: 'Taken over', cell: ({ reused }) => reused.toLocaleString(), numeric: true },
    { title: 'Why', cell: ({ why }) => WHY[why] ?? why, from: 'sm', className: 'text-muted' },
  ]
  const words =
    preview.runs === 0
      ? 'Nothing is left to run: choose a task, or everything.'
      : `${preview.runs.toLocaleString()} task ${preview.runs === 1 ? 'run' : 'runs'} to do, ${preview.reused.toLocaleString()} ${preview.reused === 1 ? 'result' : 'results'} taken over.`
  return (
    <section aria-label="What it comes to" className="flex flex-col gap-2">
      <p role="status" className="font-medium">
        {words}
      </p>
      {preview.notes.map((note) => (
        <p key={note} className="text-sm text-muted">
          {note}
        </p>
      ))}
      <div className="max-h-64 overflow-y-auto">
        <Table label="Tasks" columns={columns} rows={preview.tasks} rowKey={({ slug }) => slug} />
      </div>
    </section>
  )
}

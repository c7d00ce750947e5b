import { ListChecks } from 'lucide-react'
import { useMemo } from 'react'
import type { FlowRun, TaskRun } from '@/api/generated'
import { useSearchState } from '@/frame/search'
import { Faces } from '@/ui/Faces'
import { rowsOf, TaskTable } from '@/pages/flowRun/TaskTable'
import { useNames, useSelected, useTaskRuns, useUnfolded } from '@/pages/flowRun/useRun'
import { WithCard } from '@/pages/flowRun/WithCard'
import { Button } from '@/ui/Button'
import { EmptyState } from '@/ui/EmptyState'
import { Select } from '@/ui/Field'
import { SearchInput } from '@/ui/SearchInput'
import { STATE_TYPES } from '@/ui/states'

const NONE: readonly TaskRun[] = []

/** The task runs as a table; mapped ones are folded into one line. */
export function TasksTab({ run }: { run: FlowRun }) {
  const tasks = useTaskRuns(run)
  const names = useNames(run)
  const [search, setSearch] = useSearchState()
  const [selected, select] = useSelected()
  const { unfolded, children, unfold } = useUnfolded(run)
  const { state = '', name = '' } = search
  const all = tasks.data ?? NONE
  const shown = useMemo(() => filtered(all, names, state, name), [all, names, state, name])
  const rows = useMemo(() => rowsOf(shown, names, unfolded, children), [shown, names, unfolded, children])
  return (
    <Faces
      query={tasks}
      empty={all.length === 0}
      icon={ListChecks}
      title="No task runs yet"
      hint="They appear here once the run has started."
    >
      <div className="mb-3 flex flex-wrap items-center gap-2 max-sm:*:grow">
        <SearchInput
          label="Find a task"
          value={name}
          onChange={(next) => setSearch({ name: next }, 'series')}
        />
        <Select
          aria-label="State"
          className="max-w-40"
          value={state}
          onChange={(event) => setSearch({ state: event.target.value })}
        >
          <option value="">Any state</option>
          {STATE_TYPES.map((type) => (
            <option key={type}>{type}</option>
          ))}
        </Select>
        <span className="tabular text-sm text-muted">
          {shown.length.toLocaleString()} of {all.length.toLocaleString()} tasks
        </span>
      </div>
      {rows.length === 0 ? (
        <EmptyState
          icon={ListChecks}
          title="No task matches"
          action={<Button onClick={() => setSearch({ state: undefined, name: undefined })}>Show all</Button>}
        />
      ) : (
        <WithCard run={run}>
          <TaskTable rows={rows} onUnfold={unfold} selected={selected} onSelect={select} />
        </WithCard>
      )}
    </Faces>
  )
}

/** A mapped task is shown where it, or one of its children, is in the state. */
function filtered(
  runs: readonly TaskRun[],
  names: ReadonlyMap<string, string>,
  state: string,
  name: string,
): readonly TaskRun[] {
  const wanted = name.trim().toLowerCase()
  return runs.filter((run) => {
    const named = `${run.slug} ${names.get(run.slug) ?? ''}`.toLowerCase().includes(wanted)
    return named && (state === '' || run.state.type === state || (run.children[state] ?? 0) > 0)
  })
}

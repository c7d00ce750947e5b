import { useInfiniteQuery } from '@tanstack/react-query'
import { Layers } from 'lucide-react'
import { versionsQuery } from '@/api/flows'
import type { Flow, FlowVersion } from '@/api/generated'
import { listOf } from '@/frame/listOf'
import { Badge } from '@/ui/Badge'
import { CopyValue } from '@/ui/CopyButton'
import { EmptyState } from '@/ui/EmptyState'
import { List } from '@/ui/List'
import { type Column, Table } from '@/ui/Table'
import { Time } from '@/ui/Time'

const digest = (value: string, label: string) => <CopyValue value={value} length={12} label={label} />

const COLUMNS: readonly Column<FlowVersion>[] = [
  {
    title: 'Version',
    cell: (version) => (
      <span className="tabular flex items-center gap-2">
        {version.number} {version.current && <Badge>current</Badge>}
      </span>
    ),
  },
  { title: 'Registered', cell: (version) => <Time at={version.registered_at} /> },
  { title: 'By', cell: (version) => version.created_by, className: 'max-w-48 truncate', from: 'sm' },
  { title: 'Tasks', cell: (version) => version.tasks.toLocaleString(), numeric: true },
  {
    title: 'Structure',
    cell: (version) =>
      digest(version.structure_sha256, `Copy the structure’s hash of version ${version.number}`),
    from: 'md',
  },
  {
    title: 'Code',
    cell: (version) => digest(version.code_sha256, `Copy the code’s hash of version ${version.number}`),
    from: 'md',
  },
  { title: 'Storage', cell: (version) => version.storage.kind, from: 'lg' },
  { title: 'Python', cell: (version) => version.python_version, from: 'lg' },
  { title: 'Headrace', cell: (version) => version.headrace_version, from: 'lg' },
]

/** The flow's versions, newest first. A registration makes one only where structure or code changed. */
export function VersionsTab({ flow }: { flow: Flow }) {
  const query = useInfiniteQuery(versionsQuery(flow.id))
  return (
    <List {...listOf(query)} empty={<EmptyState icon={Layers} title="No versions" />}>
      {(versions) => (
        <Table label="Versions" columns={COLUMNS} rows={versions} rowKey={(version) => version.id} />
      )}
    </List>
  )
}

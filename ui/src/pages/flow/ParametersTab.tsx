import { useQuery } from '@tanstack/react-query'
import { SlidersHorizontal } from 'lucide-react'
import { versionQuery } from '@/api/flows'
import type { Flow, ParameterSpec } from '@/api/generated'
import { Schedules } from '@/pages/flow/Schedules'
import { Faces } from '@/ui/Faces'
import { limits, typeName } from '@/ui/runForm/schema'
import { Section } from '@/ui/Section'
import { type Column, Table } from '@/ui/Table'

const json = (value: unknown) => (
  <span className="font-mono text-sm wrap-anywhere">{JSON.stringify(value)}</span>
)

function columns(flow: Flow): Column<ParameterSpec>[] {
  return [
    { title: 'Parameter', cell: ({ name }) => <span className="font-mono">{name}</span> },
    {
      title: 'Type',
      cell: ({ schema = {} }) => [typeName(schema), limits(schema)].filter(Boolean).join(', '),
    },
    {
      title: 'Default',
      cell: ({ name, required, default: own }) =>
        Object.hasOwn(flow.default_parameters, name) ? (
          <>
            {json(flow.default_parameters[name])} <span className="text-sm text-muted">set here</span>
          </>
        ) : required ? (
          <span className="text-muted">required</span>
        ) : (
          json(own ?? null)
        ),
    },
    { title: 'Description', cell: ({ description = '' }) => description, from: 'md' },
  ]
}

/** What the flow asks for, and the schedules written in its code. */
export function ParametersTab({ flow }: { flow: Flow }) {
  const version = useQuery(versionQuery(flow.current_version_id))
  const structure = version.data?.structure
  return (
    <div className="flex flex-col gap-6">
      <Faces
        query={version}
        empty={(structure?.parameters ?? []).length === 0}
        icon={SlidersHorizontal}
        title="This flow has no parameters"
        hint="The arguments of a flow's function become its parameters."
      >
        <Table
          label="Parameters"
          columns={columns(flow)}
          rows={structure?.parameters ?? []}
          rowKey={({ name }) => name}
        />
      </Faces>
      {structure && (structure.schedules ?? []).length > 0 && (
        <Section title="Schedules in the code">
          <Schedules schedules={structure.schedules ?? []} />
        </Section>
      )}
    </div>
  )
}

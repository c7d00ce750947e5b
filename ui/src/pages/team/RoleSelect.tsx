import { Field, Select } from '@/ui/Field'

interface RoleSelectProps<R extends string> {
  roles: Record<R, string>
  value: R
  onChange: (role: R) => void
  error?: string | undefined
}

export function RoleSelect<R extends string>({ roles, value, onChange, error }: RoleSelectProps<R>) {
  return (
    <Field label="Role" error={error}>
      <Select value={value} onChange={(event) => onChange(event.target.value as R)}>
        {Object.entries<string>(roles).map(([role, words]) => (
          <option key={role} value={role}>
            {words}
          </option>
        ))}
      </Select>
    </Field>
  )
}

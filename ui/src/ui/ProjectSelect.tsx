import type { Project } from '@/api/generated'
import { Select } from '@/ui/Field'

interface ProjectSelectProps {
  projects: readonly Project[]
  value: string | undefined
  onChange: (project: string | undefined) => void
}

export function ProjectSelect({ projects, value, onChange }: ProjectSelectProps) {
  const known = projects.some((project) => project.name === value)
  return (
    <Select
      aria-label="Project"
      className="w-44"
      value={value ?? ''}
      onChange={(event) => onChange(event.target.value || undefined)}
    >
      <option value="">All projects</option>
      {value !== undefined && !known && <option value={value}>{value}</option>}
      {projects.map((project) => (
        <option key={project.id} value={project.name}>
          {project.name}
        </option>
      ))}
    </Select>
  )
}

import { queryOptions } from '@tanstack/react-query'
import { get } from '@/api/client'
import type { ListProjectsData, PageProject } from '@/api/generated'

export const projectsQuery = queryOptions({
  queryKey: ['flows', 'projects'],
  queryFn: ({ signal }) =>
    get<ListProjectsData, PageProject>('/api/projects', { query: { limit: 500 } }, signal),
})

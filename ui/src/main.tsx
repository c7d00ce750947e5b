import { CSPProvider } from '@base-ui/react/csp-provider'
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import '@/theme.css'
import { Problem } from '@/api/client'
import { meQuery } from '@/api/me'
import { makeRouter } from '@/routes'
import { Toasts } from '@/ui/Toast'

/** Pages for whoever has not signed in: what they are refused they say themselves. */
const DOORS = ['/sign-in', '/start', '/invitation', '/reset', '/sign-up']

/** A session that has ended sends whoever is here to sign in again, and back to this page afterwards. */
function sessionEnded(error: Error): void {
  if (!(error instanceof Problem) || error.status !== 401) return
  const { pathname, href } = router.state.location
  if (DOORS.includes(pathname)) return
  client.removeQueries({ queryKey: meQuery.queryKey })
  void router.navigate({ to: '/sign-in', search: { next: href } })
}

const client = new QueryClient({
  queryCache: new QueryCache({ onError: sessionEnded }),
  mutationCache: new MutationCache({ onError: sessionEnded }),
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // What the server has decided does not change by asking again; what did not reach it may.
      retry: (failures, error) =>
        error instanceof Problem && (error.status === 0 || error.status >= 502) && failures < 2,
      retryDelay: (attempt) => 400 * 2 ** attempt,
    },
  },
})

const router = makeRouter(client)

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <CSPProvider disableStyleElements>
        <QueryClientProvider client={client}>
          <Toasts>
            <RouterProvider router={router} />
          </Toasts>
        </QueryClientProvider>
      </CSPProvider>
    </StrictMode>,
  )
}

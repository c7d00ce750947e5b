import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { meQuery } from '@/api/me'
import { Frame } from '@/frame/Frame'
import { parseSearch, restoresScroll, type Search, stringifySearch } from '@/frame/search'
import { ErrorPage, RootErrorPage } from '@/pages/problem/ErrorPage'
import { NotFoundPage } from '@/pages/problem/NotFoundPage'

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  validateSearch: (search: Search): Search => search,
  beforeLoad: async ({ context }) => ({
    me: await context.client.query({ ...meQuery, staleTime: 'static' }),
  }),
  component: Outlet,
  errorComponent: RootErrorPage,
})

/** Everything that needs somebody signed in. */
const frame = createRoute({
  getParentRoute: () => root,
  id: 'frame',
  component: Frame,
  beforeLoad: ({ context, location }) => {
    if (context.me.kind !== 'anonymous') return
    throw redirect({ to: '/sign-in', search: location.href === '/' ? {} : { next: location.href } })
  },
})

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  component: lazyRouteComponent(() => import('@/pages/signIn/SignInPage'), 'SignInPage'),
})

const start = createRoute({
  getParentRoute: () => root,
  path: '/start',
  component: lazyRouteComponent(() => import('@/pages/signIn/StartPage'), 'StartPage'),
  beforeLoad: ({ search }) => {
    if (!search.token) throw redirect({ to: '/welcome' })
  },
})

const invitation = createRoute({
  getParentRoute: () => root,
  path: '/invitation',
  component: lazyRouteComponent(() => import('@/pages/signIn/InvitationPage'), 'InvitationPage'),
})

const reset = createRoute({
  getParentRoute: () => root,
  path: '/reset',
  component: lazyRouteComponent(() => import('@/pages/signIn/ResetPage'), 'ResetPage'),
})

const signUp = createRoute({
  getParentRoute: () => root,
  path: '/sign-up',
  component: lazyRouteComponent(() => import('@/pages/signIn/SignUpPage'), 'SignUpPage'),
})

const dashboard = createRoute({
  getParentRoute: () => frame,
  path: '/',
  component: lazyRouteComponent(() => import('@/pages/dashboard/DashboardPage'), 'DashboardPage'),
})

const welcome = createRoute({
  getParentRoute: () => frame,
  path: '/welcome',
  component: lazyRouteComponent(() => import('@/pages/welcome/WelcomePage'), 'WelcomePage'),
})

const flows = createRoute({
  getParentRoute: () => frame,
  path: '/flows',
  component: lazyRouteComponent(() => import('@/pages/flows/FlowsPage'), 'FlowsPage'),
})

const flow = createRoute({
  getParentRoute: () => frame,
  path: '/flows/$flowId',
  component: lazyRouteComponent(() => import('@/pages/flow/FlowPage'), 'FlowPage'),
})

const flowRun = createRoute({
  getParentRoute: () => frame,
  path: '/flow-runs/$flowRunId',
  component: lazyRouteComponent(() => import('@/pages/flowRun/FlowRunPage'), 'FlowRunPage'),
})

const agents = createRoute({
  getParentRoute: () => frame,
  path: '/agents',
  component: lazyRouteComponent(() => import('@/pages/agents/AgentsPage'), 'AgentsPage'),
})

const account = createRoute({
  getParentRoute: () => frame,
  path: '/account',
  component: lazyRouteComponent(() => import('@/pages/account/AccountPage'), 'AccountPage'),
})

const team = createRoute({
  getParentRoute: () => frame,
  path: '/team',
  component: lazyRouteComponent(() => import('@/pages/team/TeamPage'), 'TeamPage'),
})

const elsewhere = createRoute({ getParentRoute: () => frame, path: '$', component: NotFoundPage })

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: root.addChildren([
      signIn,
      start,
      invitation,
      reset,
      signUp,
      frame.addChildren([dashboard, welcome, flows, flow, flowRun, agents, account, team, elsewhere]),
    ]),
    context: { client },
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    defaultErrorComponent: ErrorPage,
    scrollRestoration: restoresScroll,
    scrollToTopSelectors: ['#main'],
  })
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>
  }
}

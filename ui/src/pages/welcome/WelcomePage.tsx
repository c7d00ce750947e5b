import { useInfiniteQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Play } from 'lucide-react'
import type { ReactNode } from 'react'
import { flowsQuery } from '@/api/flows'
import type { Flow } from '@/api/generated'
import { useLive } from '@/api/live'
import { useMay, useMe } from '@/api/me'
import { Page } from '@/frame/Page'
import { OWN_FLOW } from '@/pages/welcome/snippet'
import { buttonClass } from '@/ui/Button'
import { CopyText } from '@/ui/CopyButton'
import { RunSampleButton } from '@/pages/welcome/RunSampleButton'

const SAMPLE_PROJECT = 'demo'

/** The first steps, from the sample to one's own flow. */
export function WelcomePage() {
  const me = useMe()
  const mayRun = useMay('run')
  const mayRegister = useMay('register')
  const flows = useInfiniteQuery(flowsQuery({ project: SAMPLE_PROJECT }))
  useLive(['flows'])
  const sample = flows.data?.pages[0]?.items.toSorted(byAge)[0]
  return (
    <Page title="First steps" heading={`Welcome, ${me.name}`}>
      <ol className="flex max-w-3xl flex-col gap-8">
        {sample && mayRun && <Sample flow={sample} />}
        <Step title="Connect the command line">
          <p>Signs in this user of this machine; it asks for an API key, which your account page makes.</p>
          <CopyText text={`headrace login ${window.location.origin}`} label="Copy the command" />
          <Link to="/account" className={buttonClass('plain', 'self-start')}>
            Make an API key
          </Link>
        </Step>
        {mayRegister && (
          <Step title="Register a flow of your own">
            <p>Save this as my_flow.py:</p>
            <CopyText text={OWN_FLOW} label="Copy the flow" />
            <p>Then run it once here, and make it known to this server:</p>
            <CopyText
              text={'python my_flow.py\nheadrace register my_flow.py --project demo'}
              label="Copy the commands"
            />
            <p className="text-muted">
              Only the structure comes to this server: the names of tasks and how they depend on each other.
              Your code stays with your agents.
            </p>
          </Step>
        )}
      </ol>
    </Page>
  )
}

/** The sample was there before anything else in its project. */
function byAge(a: Flow, b: Flow): number {
  return Date.parse(a.created_at) - Date.parse(b.created_at)
}

function Sample({ flow }: { flow: Flow }) {
  return (
    <Step title="Run the sample flow">
      <p>
        <Link to="/flows/$flowId" params={{ flowId: flow.id }} className="font-medium underline">
          {flow.project}/{flow.name}
        </Link>{' '}
        {flow.description || 'is registered and ready.'}
      </p>
      <div className="flex flex-wrap gap-2">
        <RunSampleButton flow={flow} />
        <Link
          to="/flows/$flowId"
          params={{ flowId: flow.id }}
          search={{ run: 'new' }}
          className={buttonClass()}
        >
          <Play aria-hidden size={16} />
          Choose its parameters
        </Link>
      </div>
    </Step>
  )
}

function Step({ title, children }: { title: string; children: ReactNode }) {
  return (
    <li className="flex flex-col gap-3">
      <h2 className="text-base">{title}</h2>
      {children}
    </li>
  )
}

import { useMay } from '@/api/me'
import { Page } from '@/frame/Page'
import { useSearchState } from '@/frame/search'
import { People } from '@/pages/team/People'
import { ServiceAccounts } from '@/pages/team/ServiceAccounts'
import { Tabs } from '@/ui/Tabs'

const PEOPLE = { value: 'people', label: 'People' } as const
const SERVICES = { value: 'service-accounts', label: 'Service accounts' } as const

export function TeamPage() {
  const [search, setSearch] = useSearchState()
  const administers = useMay('administer')
  const tab = administers && search.tab === SERVICES.value ? SERVICES.value : PEOPLE.value
  return (
    <Page title="Team">
      <Tabs
        label="Team"
        tabs={administers ? [PEOPLE, SERVICES] : [PEOPLE]}
        value={tab}
        onChange={(next) => setSearch({ tab: next === PEOPLE.value ? undefined : next, account: undefined })}
      >
        {tab === PEOPLE.value ? <People /> : <ServiceAccounts />}
      </Tabs>
    </Page>
  )
}

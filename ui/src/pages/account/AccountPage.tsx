import { useMay, useMe } from '@/api/me'
import { Page } from '@/frame/Page'
import { PasswordForm } from '@/pages/account/PasswordForm'
import { Keys } from '@/pages/keys/Keys'
import { Facts } from '@/ui/Facts'
import { Section } from '@/ui/Section'
import { stateWords } from '@/ui/states'
import { ThemeSwitch } from '@/ui/ThemeSwitch'

export function AccountPage() {
  const me = useMe()
  const mayKeys = useMay('account')
  return (
    <Page title="Account">
      <div className="flex max-w-4xl flex-col gap-8">
        <Section title="Profile">
          <Facts
            facts={[
              ['Name', me.name],
              ['Email', me.email || '–'],
              ['Role', stateWords(me.role)],
            ]}
          />
        </Section>
        <Section title="Theme">
          <ThemeSwitch labels />
        </Section>
        {mayKeys && <Keys />}
        {me.kind === 'user' && (
          <Section title="Password">
            <PasswordForm />
          </Section>
        )}
        <p className="text-sm text-muted">Headrace {me.server_version}</p>
      </div>
    </Page>
  )
}

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, SegmentedControl, Stack, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconLogout } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { explainError } from '../../app/failures';
import { chooseLanguage, chosenLanguage, LANGUAGES, type Language } from '../../app/i18n';
import { useMesh, useSession } from '../../app/mesh';
import { Problem } from '../../ui/Problem';
import { ShareLink } from '../../ui/ShareLink';
import { Notifications } from '../notifications/Notifications';
import { LinkedAccount } from '../oidc/LinkedAccount';
import { PageHeader } from '../rooms/PageHeader';
import roomClasses from '../rooms/rooms.module.css';
import { ShortcutList } from '../shortcuts/ShortcutList';
import { Devices } from './Devices';
import { Password } from './Password';
import { Profile } from './Profile';
import { Row, Section } from './parts';
import { Sessions } from './Sessions';
import classes from './settings.module.css';

export function SettingsPage() {
  const { t } = useLingui();
  const mesh = useMesh();
  const me = useSession((state) => state.me);
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [listing, list] = useDisclosure(false);
  const signOut = useMutation({
    mutationFn: () => mesh.api.logout(),
    // Also when the server was out of reach: the person wants to be gone from this page.
    onSettled: () => mesh.signedOut(false),
  });
  return (
    <>
      <PageHeader title={<Trans>Settings</Trans>} />
      <main id="main" className={roomClasses.page}>
        <Stack gap={32} className={classes.column}>
          <Section title={<Trans>Appearance</Trans>}>
            <Row label={<Trans>Theme</Trans>}>
              <SegmentedControl
                aria-label={t`Theme`}
                value={colorScheme}
                onChange={(value) => setColorScheme(value as typeof colorScheme)}
                data={[
                  { value: 'auto', label: t`Automatic` },
                  { value: 'light', label: t`Light` },
                  { value: 'dark', label: t`Dark` },
                ]}
              />
            </Row>
            <Row label={<Trans>Language</Trans>}>
              <SegmentedControl
                aria-label={t`Language`}
                value={chosenLanguage()}
                onChange={(value) => void chooseLanguage(value as Language | 'auto')}
                data={[
                  { value: 'auto', label: t`Automatic` },
                  ...Object.entries(LANGUAGES).map(([value, label]) => ({ value, label })),
                ]}
              />
            </Row>
            <Row label={<Trans>Keyboard shortcuts</Trans>}>
              <Button variant="default" onClick={list.open}>
                <Trans>Show</Trans>
              </Button>
            </Row>
          </Section>
          {me?.guest === false && (
            <>
              <Profile />
              <Notifications />
              <SignInElsewhere />
              <Devices />
              <Sessions />
              <Password />
              <LinkedAccount />
            </>
          )}
          <Section title={<Trans>Account</Trans>}>
            <Row label={<Trans>Signed in as {me?.name}</Trans>}>
              <Button
                variant="default"
                leftSection={<IconLogout size={16} />}
                loading={signOut.isPending}
                onClick={() => signOut.mutate()}
              >
                <Trans>Sign out</Trans>
              </Button>
            </Row>
          </Section>
        </Stack>
      </main>
      {listing && <ShortcutList onClose={list.close} />}
    </>
  );
}

function SignInElsewhere() {
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const link = useMutation({ mutationFn: () => mesh.api.createLink() });
  return (
    <Section title={<Trans>Go on elsewhere</Trans>}>
      <Row
        label={
          <Trans>
            A link that signs you in once on your phone or another computer. It works for 10 minutes.
          </Trans>
        }
      >
        <Button variant="default" loading={link.isPending} onClick={() => link.mutate()}>
          <Trans>Make sign-in link</Trans>
        </Button>
      </Row>
      <Row label={<Trans>A device that shows a code after the command “mesh login”.</Trans>}>
        <Button component={Link} to="/pair" variant="default">
          <Trans>Enter a code</Trans>
        </Button>
      </Row>
      <Problem>{link.error ? explainError(i18n, link.error) : null}</Problem>
      {link.data && <ShareLink value={link.data.url} label={t`QR code of the sign-in link`} />}
    </Section>
  );
}

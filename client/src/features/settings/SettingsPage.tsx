import { Trans, useLingui } from '@lingui/react/macro';
import {
  Badge,
  Button,
  Group,
  SegmentedControl,
  Stack,
  Text,
  Title,
  useMantineColorScheme,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconBrowser, IconDeviceDesktop, IconLogout } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { explainError } from '../../app/failures';
import { chooseLanguage, chosenLanguage, LANGUAGES, type Language } from '../../app/i18n';
import { useMesh, useSession } from '../../app/mesh';
import { Problem } from '../../ui/Problem';
import { ShareLink } from '../../ui/ShareLink';
import { PageHeader } from '../rooms/PageHeader';
import roomClasses from '../rooms/rooms.module.css';
import { ShortcutList } from '../shortcuts/ShortcutList';
import classes from './settings.module.css';

export function SettingsPage() {
  const { t } = useLingui();
  const mesh = useMesh();
  const me = useSession((state) => state.me);
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [language, setLanguage] = useState(chosenLanguage);
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
                value={language}
                onChange={(value) => {
                  const choice = value as Language | 'auto';
                  setLanguage(choice);
                  void chooseLanguage(choice);
                }}
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
          <SignInElsewhere />
          <Devices />
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
      <Problem>{link.error ? explainError(i18n, link.error) : null}</Problem>
      {link.data && <ShareLink value={link.data.url} label={t`QR code of the sign-in link`} />}
    </Section>
  );
}

function Devices() {
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const me = useSession((state) => state.me);
  const queries = useQueryClient();
  const devices = useQuery({ queryKey: ['devices'], queryFn: () => mesh.api.devices() });
  const remove = useMutation({
    mutationFn: (deviceId: string) => mesh.api.removeDevice(deviceId),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['devices'] }),
  });
  const list = [...(devices.data ?? [])].sort((a, b) => (b.last_seen_at ?? 0) - (a.last_seen_at ?? 0));
  return (
    <Section title={<Trans>Devices</Trans>}>
      <Problem>
        {(remove.error ?? devices.error) ? explainError(i18n, remove.error ?? devices.error) : null}
      </Problem>
      <ul className={classes.devices}>
        {list.map((device) => {
          const current = device.device_id === me?.device_id;
          const seen = i18n.date(device.last_seen_at ?? device.created_at, {
            dateStyle: 'medium',
            timeStyle: 'short',
          });
          return (
            <li key={device.device_id} className={classes.device}>
              {device.kind === 'agent' ? (
                <IconDeviceDesktop size={20} aria-hidden="true" />
              ) : (
                <IconBrowser size={20} aria-hidden="true" />
              )}
              <div className={classes.deviceNames}>
                <Text size="sm" fw={560} truncate>
                  {device.name}
                </Text>
                <Text size="xs" c="dimmed">
                  <Trans>Last seen {seen}</Trans>
                </Text>
              </div>
              {current ? (
                <Badge variant="light" tt="none">
                  <Trans>This page</Trans>
                </Badge>
              ) : (
                <Button
                  size="xs"
                  variant="subtle"
                  color="red"
                  aria-label={t`Remove ${device.name}`}
                  loading={remove.isPending && remove.variables === device.device_id}
                  onClick={() => remove.mutate(device.device_id)}
                >
                  <Trans>Remove</Trans>
                </Button>
              )}
            </li>
          );
        })}
      </ul>
      <Text size="xs" c="dimmed">
        <Trans>Removing a device signs it out and ends what it is connected to within seconds.</Trans>
      </Text>
    </Section>
  );
}

function Section({ title, children }: { title: ReactNode; children: ReactNode }) {
  return (
    <section>
      <Title order={2} mb="sm">
        {title}
      </Title>
      <Stack gap="md">{children}</Stack>
    </section>
  );
}

function Row({ label, children }: { label: ReactNode; children: ReactNode }) {
  return (
    <Group justify="space-between" gap="sm">
      <Text size="sm" flex="1 1 240px">
        {label}
      </Text>
      {children}
    </Group>
  );
}

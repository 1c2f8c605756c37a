// `/pair`: lets in a device that shows a code. The code is asked for here, on the side that grants; a link or QR code may
// have filled it in, so it is shown once more beside the device's name and address before anything is granted.

import { Trans, useLingui } from '@lingui/react/macro';
import { Alert, Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { Link, useSearch } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import { explainError } from '../../app/failures';
import { useMesh, useSession } from '../../app/mesh';
import type { Pairing } from '../../protocol/rest';
import { Problem } from '../../ui/Problem';
import { PageHeader } from '../rooms/PageHeader';
import roomClasses from '../rooms/rooms.module.css';
import classes from './settings.module.css';

export function PairPage() {
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const search = useSearch({ from: '/signed-in/pair' });
  const [code, setCode] = useState(search.code ?? '');
  const look = useMutation({ mutationFn: (entered: string) => mesh.api.pairing(entered) });
  const answer = useMutation({ mutationFn: (approve: boolean) => mesh.api.answerPairing(code, approve) });

  function submit(event: FormEvent) {
    event.preventDefault();
    look.mutate(code);
  }

  if (answer.isSuccess)
    return (
      <Page>
        <Text role="status">
          {answer.variables ? (
            <Trans>The device is signed in. It goes on by itself within seconds.</Trans>
          ) : (
            <Trans>The device was declined. Nothing was granted.</Trans>
          )}
        </Text>
        <Group>
          <Button component={Link} to="/">
            <Trans>Go to your rooms</Trans>
          </Button>
        </Group>
      </Page>
    );
  if (look.data)
    return (
      <Page>
        <Problem>{answer.error ? explainError(i18n, answer.error) : null}</Problem>
        <Asking pairing={look.data} code={code} />
        <Group>
          <Button
            loading={answer.isPending && answer.variables}
            disabled={answer.isPending}
            onClick={() => answer.mutate(true)}
          >
            <Trans>Let it in</Trans>
          </Button>
          <Button
            variant="default"
            loading={answer.isPending && !answer.variables}
            disabled={answer.isPending}
            onClick={() => answer.mutate(false)}
          >
            <Trans>Decline</Trans>
          </Button>
        </Group>
      </Page>
    );
  return (
    <Page>
      <form onSubmit={submit}>
        <Stack gap="md">
          <Problem>{look.error ? explainError(i18n, look.error) : null}</Problem>
          <TextInput
            label={t`Code`}
            description={t`Eight letters that your device shows now. Type no code that somebody sent you.`}
            autoComplete="off"
            autoCapitalize="characters"
            spellCheck={false}
            required
            withAsterisk={false}
            maxLength={16}
            autoFocus
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
          />
          <Group>
            <Button type="submit" loading={look.isPending}>
              <Trans>Continue</Trans>
            </Button>
          </Group>
        </Stack>
      </form>
    </Page>
  );
}

function Page({ children }: { children: ReactNode }) {
  return (
    <>
      <PageHeader title={<Trans>Let a device in</Trans>} />
      <main id="main" className={roomClasses.page}>
        <Stack gap="lg" className={classes.column}>
          {children}
        </Stack>
      </main>
    </>
  );
}

/** Who asks, from where, and what it gets. */
function Asking({ pairing, code }: { pairing: Pairing; code: string }) {
  const { t } = useLingui();
  const me = useSession((state) => state.me);
  const facts = [
    [t`Device`, pairing.device_name],
    [t`Address`, pairing.address],
    [t`Code`, code.toUpperCase()],
  ] as const;
  return (
    <>
      <dl className={classes.facts}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Text size="sm">
        <Trans>
          It will be signed in as {me?.name}: it can do in your rooms whatever you can, until you remove it in
          the settings.
        </Trans>
      </Text>
      <Alert color="yellow" variant="light" icon={<IconAlertTriangle size={18} />}>
        <Trans>Go on only if you started this yourself, and the device shows this very code.</Trans>
      </Alert>
    </>
  );
}

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, SegmentedControl, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { ApiError, pageDevice } from '../../lib/api';
import { Problem } from '../../ui/Problem';
import { Ways } from '../oidc/Ways';
import { AuthLayout } from './AuthLayout';
import { Credentials, type CredentialsValue } from './Credentials';
import { useFragmentToken } from './fragment';
import { GuestName } from './GuestName';
import { useSignIn } from './useSignIn';

/** An invitation: who is signed in joins at once, others make an account or sign in first. */
export function InvitePage() {
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const token = useFragmentToken();
  const [way, setWay] = useState('new');
  const me = useQuery({
    queryKey: ['me-if-any'],
    queryFn: () =>
      mesh.api
        .me()
        .catch((error) => (error instanceof ApiError && error.status === 401 ? null : Promise.reject(error))),
    retry: false,
  });

  const view = useQuery({
    queryKey: ['invite', token],
    queryFn: () => mesh.api.viewInvite(token ?? ''),
    enabled: token !== undefined,
    retry: false,
  });

  const enter = useSignIn(async (name: string) =>
    mesh.api.enterAsGuest(token ?? '', name, await pageDevice()),
  );
  const register = useSignIn(async ({ username, password }: CredentialsValue) => {
    await mesh.api.register(token ?? '', username, password, await pageDevice());
    // In already, or before the door: this says of which room, and uses nothing up.
    return mesh.api.joinByInvite(token ?? '');
  });
  const login = useSignIn(async ({ username, password }: CredentialsValue) => {
    await mesh.api.login(username, password, await pageDevice());
    return mesh.api.joinByInvite(token ?? '');
  });
  const join = useSignIn(() => mesh.api.joinByInvite(token ?? ''));

  if (!token)
    return (
      <AuthLayout title={<Trans>Invitation</Trans>}>
        <Problem>
          <Trans>This link is not complete. Open it exactly as it was given to you.</Trans>
        </Problem>
      </AuthLayout>
    );

  if (me.data)
    return (
      <AuthLayout
        title={<Trans>You are invited</Trans>}
        lead={<Trans>You are signed in as {me.data.name}.</Trans>}
      >
        <Stack>
          <Problem>{join.error ? explainError(i18n, join.error) : null}</Problem>
          <Button size="md" loading={join.isPending} onClick={() => join.mutate(undefined)}>
            <Trans>Join the room</Trans>
          </Button>
        </Stack>
      </AuthLayout>
    );

  const chosen = way === 'new' ? register : login;
  return (
    <AuthLayout
      title={<Trans>You are invited</Trans>}
      lead={
        view.data ? (
          <Trans>To the room {view.data.room_name}.</Trans>
        ) : (
          <Trans>Make an account on this server to join the room.</Trans>
        )
      }
    >
      <Ways
        invite={token}
        form={(local) => {
          const guest = view.data?.guest === true;
          if (!local)
            return guest && <GuestName busy={enter.isPending} error={enter.error} onSubmit={enter.mutate} />;
          return (
            <>
              <SegmentedControl
                fullWidth
                value={way}
                onChange={setWay}
                aria-label={t`How to go on`}
                data={[
                  { value: 'new', label: t`New here` },
                  { value: 'known', label: t`I have an account` },
                  ...(guest ? [{ value: 'guest', label: t`As a guest` }] : []),
                ]}
              />
              {way === 'guest' ? (
                <GuestName busy={enter.isPending} error={enter.error} onSubmit={enter.mutate} />
              ) : (
                <Credentials
                  key={way}
                  fresh={way === 'new'}
                  action={
                    way === 'new' ? <Trans>Create account and join</Trans> : <Trans>Sign in and join</Trans>
                  }
                  busy={chosen.isPending}
                  error={chosen.error}
                  onSubmit={chosen.mutate}
                />
              )}
            </>
          );
        }}
      />
      <Text size="xs" c="dimmed">
        <Trans>People in the room will see your name.</Trans>
      </Text>
    </AuthLayout>
  );
}

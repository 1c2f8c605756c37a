import { Trans } from '@lingui/react/macro';
import { Text } from '@mantine/core';
import { useSearch } from '@tanstack/react-router';
import { useMesh, useSession } from '../../app/mesh';
import { pageDevice } from '../../lib/api';
import { Ways } from '../oidc/Ways';
import { AuthLayout } from './AuthLayout';
import { Credentials, type CredentialsValue } from './Credentials';
import { useSignIn } from './useSignIn';

export function LoginPage() {
  const mesh = useMesh();
  const { next } = useSearch({ from: '/login' });
  const ended = useSession((state) => state.ended);
  const signIn = useSignIn(
    async ({ username, password }: CredentialsValue) =>
      mesh.api.login(username, password, await pageDevice()),
    next,
  );
  return (
    <AuthLayout
      title={<Trans>Sign in</Trans>}
      lead={ended ? <Trans>Your session has ended. Sign in to go on.</Trans> : <Trans>Welcome back.</Trans>}
    >
      <Ways
        returnTo={next}
        form={(local) =>
          local && (
            <Credentials
              action={<Trans>Sign in</Trans>}
              busy={signIn.isPending}
              error={signIn.error}
              onSubmit={signIn.mutate}
            />
          )
        }
      />
      <Text size="xs" c="dimmed">
        <Trans>No account yet? Ask somebody who is in for an invitation link.</Trans>
      </Text>
    </AuthLayout>
  );
}

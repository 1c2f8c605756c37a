import { Trans } from '@lingui/react/macro';
import { Anchor, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useMesh } from '../../app/mesh';
import { pageDevice } from '../../lib/api';
import { Problem } from '../../ui/Problem';
import { AuthLayout } from './AuthLayout';
import { Credentials, type CredentialsValue } from './Credentials';
import { useFragmentToken } from './fragment';
import { useSignIn } from './useSignIn';

/** The printed setup link: the first account, which owns the server. */
export function SetupPage() {
  const mesh = useMesh();
  const token = useFragmentToken();
  const setUp = useSignIn(async ({ username, password }: CredentialsValue) =>
    mesh.api.setup(token ?? '', username, password, await pageDevice()),
  );
  return (
    <AuthLayout
      title={<Trans>Set up Mesh</Trans>}
      lead={
        <Trans>
          Choose your name and password. You become the owner of this server and of its first room, Home.
        </Trans>
      }
    >
      {token ? (
        <Credentials
          fresh
          action={<Trans>Create account</Trans>}
          busy={setUp.isPending}
          error={setUp.error}
          onSubmit={setUp.mutate}
        />
      ) : (
        <Problem>
          <Trans>This link is not complete. Open the setup link exactly as the server printed it.</Trans>
        </Problem>
      )}
      <Text size="xs" c="dimmed">
        <Trans>Set up already?</Trans>{' '}
        <Anchor component={Link} to="/login" inherit underline="always">
          <Trans>Sign in</Trans>
        </Anchor>
      </Text>
    </AuthLayout>
  );
}

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Center, Loader } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { pageDevice } from '../../lib/api';
import { Problem } from '../../ui/Problem';
import { AuthLayout } from './AuthLayout';
import { useFragmentToken } from './fragment';
import { useSignIn } from './useSignIn';

/** A one-time sign-in link: opening it is all it takes. */
export function LinkPage() {
  const mesh = useMesh();
  const { i18n } = useLingui();
  const token = useFragmentToken();
  const signIn = useSignIn(async (once: string) => mesh.api.signInByLink(once, await pageDevice()));
  const started = useRef(false);
  const { mutate } = signIn;

  useEffect(() => {
    // The link works once, so it must not be spent twice.
    if (!token || started.current) return;
    started.current = true;
    mutate(token);
  }, [token, mutate]);

  if (token && !signIn.error)
    return (
      <AuthLayout title={<Trans>Signing you in</Trans>}>
        <Center py="md">
          <Loader aria-hidden="true" />
        </Center>
      </AuthLayout>
    );
  return (
    <AuthLayout title={<Trans>This link does not work</Trans>}>
      <Problem>
        {signIn.error ? (
          explainError(i18n, signIn.error)
        ) : (
          <Trans>This link is not complete. Open it exactly as it was given to you.</Trans>
        )}
      </Problem>
      <Button component={Link} to="/login" variant="default">
        <Trans>Sign in with name and password</Trans>
      </Button>
    </AuthLayout>
  );
}

// The ways into this server, on every page where one signs in: the form of name and password where there is one, and the
// button of the OpenID provider.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Divider, Stack } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type ReactNode, useMemo } from 'react';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { pageDevice } from '../../lib/api';
import { Problem } from '../../ui/Problem';
import { oidcApi } from './api';
import { codeOf, explainOidc, useFailure } from './failure';
import { Words } from './words';

interface Way {
  /** What needs a name and a password; `local` says whether this server takes them. */
  form: (local: boolean) => ReactNode;
  returnTo?: string;
  invite?: string;
}

export function Ways({ form, ...goal }: Way) {
  const mesh = useMesh();
  const api = useMemo(() => oidcApi(mesh.api), [mesh]);
  const methods = useQuery({ queryKey: ['sign-in-methods'], queryFn: api.methods, retry: false });
  if (methods.isPending) return null;
  const { local, oidc } = methods.data ?? { local: true, oidc: null };
  return (
    <>
      {form(local)}
      <Words>
        <Provider name={oidc?.name} alone={!local} {...goal} />
      </Words>
    </>
  );
}

function Provider({
  name,
  alone,
  returnTo = '/',
  invite,
}: {
  name?: string;
  alone: boolean;
  returnTo?: string;
  invite?: string;
}) {
  const mesh = useMesh();
  const { i18n } = useLingui();
  const failed = useFailure();
  const start = useMutation({
    mutationFn: async () =>
      oidcApi(mesh.api).start({
        return_to: returnTo,
        invite,
        device: await pageDevice(),
      }),
    onSuccess: ({ url }) => window.location.assign(url),
  });
  const problem = start.error
    ? (explainOidc(i18n, codeOf(start.error) ?? '') ?? explainError(i18n, start.error))
    : explainOidc(i18n, failed);
  return (
    <Stack gap="md">
      <Problem>{problem}</Problem>
      {name && (
        <>
          {!alone && <Divider label={<Trans>or</Trans>} />}
          <Button
            size="md"
            fullWidth
            variant={alone ? 'filled' : 'default'}
            loading={start.isPending || start.isSuccess}
            onClick={() => start.mutate()}
          >
            <Trans>Continue with {name}</Trans>
          </Button>
        </>
      )}
    </Stack>
  );
}

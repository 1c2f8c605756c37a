// In the settings: the account at the OpenID provider that signs this one in.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { Problem } from '../../ui/Problem';
import { Row, Section } from '../settings/parts';
import { oidcApi } from './api';
import { codeOf, explainOidc, useFailure } from './failure';
import { Words } from './words';

const KEY = ['oidc-linked'];

export function LinkedAccount() {
  const mesh = useMesh();
  const api = useMemo(() => oidcApi(mesh.api), [mesh]);
  const methods = useQuery({ queryKey: ['sign-in-methods'], queryFn: api.methods });
  const linked = useQuery({ queryKey: KEY, queryFn: api.isLinked });
  const provider = methods.data?.oidc;
  if (!provider || linked.data === undefined) return null;
  return (
    <Words>
      <Panel name={provider.name} linked={linked.data} />
    </Words>
  );
}

function Panel({ name, linked }: { name: string; linked: boolean }) {
  const mesh = useMesh();
  const queries = useQueryClient();
  const { t, i18n } = useLingui();
  const api = useMemo(() => oidcApi(mesh.api), [mesh]);
  const failed = useFailure();
  const link = useMutation({
    mutationFn: () => api.start({ link: true, return_to: '/settings' }),
    onSuccess: ({ url }) => window.location.assign(url),
  });
  const unlink = useMutation({
    mutationFn: api.unlink,
    onSuccess: () => queries.invalidateQueries({ queryKey: KEY }),
  });
  const error = link.error ?? unlink.error;
  const problem = error
    ? (explainOidc(i18n, codeOf(error) ?? '') ??
      (codeOf(error) === 'FORBIDDEN'
        ? t`Choose a password first: without it you could not sign in any more.`
        : explainError(i18n, error)))
    : explainOidc(i18n, failed);
  return (
    <Section title={<Trans>Sign in with {name}</Trans>}>
      <Problem>{problem}</Problem>
      <Row
        label={
          linked ? (
            <Trans>Your account signs in with {name}.</Trans>
          ) : (
            <Trans>Link your account, and sign in with {name} from then on.</Trans>
          )
        }
      >
        {linked ? (
          <Button variant="default" loading={unlink.isPending} onClick={() => unlink.mutate()}>
            <Trans>Unlink</Trans>
          </Button>
        ) : (
          <Button variant="default" loading={link.isPending || link.isSuccess} onClick={() => link.mutate()}>
            <Trans>Link</Trans>
          </Button>
        )}
      </Row>
    </Section>
  );
}

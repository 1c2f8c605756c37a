import { Trans, useLingui } from '@lingui/react/macro';
import { Button, PasswordInput, Stack, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { explainError } from '../../app/failures';
import { useMesh, useSession } from '../../app/mesh';
import { Problem } from '../../ui/Problem';
import { MIN_PASSWORD_CHARS } from '../auth/Credentials';
import { Section } from './parts';

/** Another password; an account that has none (after a reset by the operator) is not asked for the old one. */
export function Password() {
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const queries = useQueryClient();
  const me = useSession((state) => state.me);
  const [old, setOld] = useState('');
  const [fresh, setFresh] = useState('');
  const [tooShort, setTooShort] = useState(false);
  const change = useMutation({
    mutationFn: async () => {
      await mesh.api.changePassword(me?.has_password ? old : undefined, fresh);
      return mesh.api.me();
    },
    onSuccess: (now) => {
      mesh.session.setState({ me: now });
      setOld('');
      setFresh('');
      return queries.invalidateQueries({ queryKey: ['sessions'] });
    },
  });

  function submit(event: FormEvent) {
    event.preventDefault();
    const short = fresh.length < MIN_PASSWORD_CHARS;
    setTooShort(short);
    if (!short) change.mutate();
  }

  return (
    <Section title={<Trans>Password</Trans>}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <Problem>{change.error ? explainError(i18n, change.error) : null}</Problem>
          {me?.has_password && (
            <PasswordInput
              label={t`Current password`}
              name="password"
              autoComplete="current-password"
              required
              withAsterisk={false}
              value={old}
              onChange={(event) => setOld(event.currentTarget.value)}
            />
          )}
          <PasswordInput
            label={t`New password`}
            name="new-password"
            autoComplete="new-password"
            required
            withAsterisk={false}
            description={t`At least ${MIN_PASSWORD_CHARS} characters. A short sentence is easy to remember.`}
            error={tooShort ? t`Use at least ${MIN_PASSWORD_CHARS} characters.` : undefined}
            value={fresh}
            onChange={(event) => setFresh(event.currentTarget.value)}
          />
          <Text size="xs" c="dimmed">
            <Trans>Every other session ends. This one goes on.</Trans>
          </Text>
          <Button type="submit" variant="default" loading={change.isPending}>
            <Trans>Change password</Trans>
          </Button>
          {change.isSuccess && (
            <Text size="sm" role="status">
              <Trans>The password is changed.</Trans>
            </Text>
          )}
        </Stack>
      </form>
    </Section>
  );
}

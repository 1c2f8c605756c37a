import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { explainError } from '../../app/failures';
import { useMesh, useSession } from '../../app/mesh';
import { NameInput } from '../../ui/NameInput';
import { Problem } from '../../ui/Problem';
import { Section } from './parts';

/** What one is called. */
export function Profile() {
  const mesh = useMesh();
  const { t, i18n } = useLingui();
  const known = useSession((state) => state.me?.name ?? '');
  const [name, setName] = useState(known);
  const change = useMutation({
    mutationFn: async () => {
      await mesh.api.changeName(name);
      return mesh.api.me();
    },
    onSuccess: (me) => {
      mesh.session.setState({ me });
      setName(me.name);
    },
  });

  function submit(event: FormEvent) {
    event.preventDefault();
    change.mutate();
  }

  return (
    <Section title={<Trans>Profile</Trans>}>
      <form onSubmit={submit}>
        <Stack gap="md">
          <Problem>{change.error ? explainError(i18n, change.error) : null}</Problem>
          <NameInput
            as="username"
            description={t`What the others see, and what you sign in with.`}
            value={name}
            onChange={setName}
          />
          <Button type="submit" variant="default" loading={change.isPending} disabled={name.trim() === known}>
            <Trans>Change name</Trans>
          </Button>
          {change.isSuccess && name === known && (
            <Text size="sm" role="status">
              <Trans>You are {known} from now on.</Trans>
            </Text>
          )}
        </Stack>
      </form>
    </Section>
  );
}

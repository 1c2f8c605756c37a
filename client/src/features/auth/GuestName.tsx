import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Stack, Text } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { explainError } from '../../app/failures';
import { NameInput } from '../../ui/NameInput';
import { Problem } from '../../ui/Problem';

/** All that is asked of a guest. */
export function GuestName(props: { busy: boolean; error: unknown; onSubmit: (name: string) => void }) {
  const { i18n } = useLingui();
  const [name, setName] = useState('');

  function submit(event: FormEvent) {
    event.preventDefault();
    props.onSubmit(name.trim());
  }

  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Problem>{props.error ? explainError(i18n, props.error) : null}</Problem>
        <NameInput as="nickname" autoFocus value={name} onChange={setName} />
        <Text size="sm" c="dimmed">
          <Trans>
            You are in this room until you sign out or are removed. There is no way back in without a link.
          </Trans>
        </Text>
        <Button type="submit" size="md" fullWidth loading={props.busy}>
          <Trans>Continue as a guest</Trans>
        </Button>
      </Stack>
    </form>
  );
}

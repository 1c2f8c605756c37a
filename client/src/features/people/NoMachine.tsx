import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Stack, Text } from '@mantine/core';
import { IconDeviceDesktop } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { explainError } from '../../app/failures';
import { useMesh } from '../../app/mesh';
import { Command } from '../../ui/Command';
import { Problem } from '../../ui/Problem';
import classes from './people.module.css';

/** What to do where no machine is in the room: sign one in with a link made for it. */
export function NoMachine() {
  const { i18n } = useLingui();
  const mesh = useMesh();
  const link = useMutation({ mutationFn: () => mesh.api.createLink() });
  return (
    <Stack gap={8} className={classes.hint}>
      <Text size="sm" c="dimmed">
        {link.data ? (
          <Trans>Run this on the machine within 10 minutes, then start its agent:</Trans>
        ) : (
          <Trans>No machine is here yet. Connect one to open its terminal and send it files.</Trans>
        )}
      </Text>
      <Problem>{link.error ? explainError(i18n, link.error) : null}</Problem>
      {link.data ? (
        <>
          <Command value={`mesh login ${link.data.url}`} />
          <Command value="mesh up" />
        </>
      ) : (
        <Button
          size="xs"
          h={32}
          variant="default"
          leftSection={<IconDeviceDesktop size={16} />}
          loading={link.isPending}
          onClick={() => link.mutate()}
        >
          <Trans>Connect a machine</Trans>
        </Button>
      )}
    </Stack>
  );
}

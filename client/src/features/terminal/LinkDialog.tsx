// An address in somebody else's output: it is shown as it truly is, and opened only after a second look.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Code, Group, Modal, Stack, Text } from '@mantine/core';
import { IconExternalLink } from '@tabler/icons-react';
import classes from './terminal.module.css';

export function LinkDialog({ address, onClose }: { address: string; onClose: () => void }) {
  const { t } = useLingui();
  const { host, protocol } = new URL(address);
  return (
    <Modal
      opened
      onClose={onClose}
      title={<Trans>Open this address?</Trans>}
      closeButtonProps={{ 'aria-label': t`Close` }}
    >
      <Stack gap="sm">
        <Text size="sm">
          <Trans>
            It leads to <strong>{host}</strong>. What the terminal shows may differ from it.
          </Trans>
        </Text>
        <Code block className={classes.address}>
          {address}
        </Code>
        {protocol === 'http:' && (
          <Text size="sm" c="dimmed">
            <Trans>The connection to it is not encrypted.</Trans>
          </Text>
        )}
        {/xn--/.test(host) && (
          <Text size="sm" c="dimmed">
            <Trans>Its name has letters beyond the Latin ones, written here in their encoded form.</Trans>
          </Text>
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            <Trans>Cancel</Trans>
          </Button>
          <Button
            component="a"
            href={address}
            target="_blank"
            rel="noopener noreferrer"
            leftSection={<IconExternalLink size={16} />}
            onClick={onClose}
            data-autofocus
          >
            <Trans>Open in a new tab</Trans>
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

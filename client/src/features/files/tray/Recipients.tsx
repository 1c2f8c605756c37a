// To whom chosen files go: one device, or everybody who is here.

import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Modal, Stack, Text, UnstyledButton } from '@mantine/core';
import { IconDeviceDesktop, IconUsers } from '@tabler/icons-react';
import { formatBytes } from '../../../lib/format';
import { titleOf } from '../../../lib/transfer/chosen';
import type { Peer } from '../../../protocol/signal';
import { Avatar } from '../../../ui/Avatar';
import classes from '../files.module.css';
import type { useSendFiles } from '../SendFiles';
import { Words } from './words';

type Sending = ReturnType<typeof useSendFiles>;

export function Recipients({ sending }: { sending: Sending }) {
  return (
    <Words>
      <Choice sending={sending} />
    </Words>
  );
}

function Choice({ sending }: { sending: Sending }) {
  const { t, i18n } = useLingui();
  const { recipients, waiting } = sending;
  const size = waiting.reduce((sum, { content }) => sum + content.size, 0);
  return (
    <Modal
      opened
      onClose={sending.drop}
      title={<Trans>Send to whom?</Trans>}
      closeButtonProps={{ 'aria-label': t`Close` }}
    >
      <Stack gap="sm">
        <Text size="sm" c="dimmed" truncate>
          {titleOf(waiting)}
          {' · '}
          <Plural value={waiting.length} one="# file" other="# files" />
          {' · '}
          {formatBytes(size, i18n.locale)}
        </Text>
        <div className={classes.recipients}>
          {recipients.length > 1 && (
            <UnstyledButton className={classes.recipient} onClick={() => sending.to(recipients)}>
              <span className={classes.kind} aria-hidden="true">
                <IconUsers size={18} />
              </span>
              <span className={classes.recipientNames}>
                <Text span size="sm" fw={580}>
                  <Trans>Everybody here</Trans>
                </Text>
                <Text span size="xs" c="dimmed">
                  <Plural value={recipients.length} one="# device" other="# devices" />
                </Text>
              </span>
            </UnstyledButton>
          )}
          {recipients.map((peer) => (
            <Recipient key={peer.peer_id} peer={peer} onChoose={() => sending.to([peer])} />
          ))}
        </div>
      </Stack>
    </Modal>
  );
}

function Recipient({ peer, onChoose }: { peer: Peer; onChoose: () => void }) {
  return (
    <UnstyledButton className={classes.recipient} onClick={onChoose}>
      {peer.kind === 'agent' ? (
        <span className={classes.kind} aria-hidden="true">
          <IconDeviceDesktop size={18} />
        </span>
      ) : (
        <Avatar name={peer.name} id={peer.user_id} size={34} />
      )}
      <span className={classes.recipientNames}>
        <Text span size="sm" fw={580} truncate>
          {peer.kind === 'agent' ? peer.device_name : peer.name}
        </Text>
        <Text span size="xs" c="dimmed" truncate>
          {peer.kind === 'agent' ? peer.name : peer.device_name}
        </Text>
      </span>
    </UnstyledButton>
  );
}

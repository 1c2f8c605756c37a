// Choosing files and to whom they go. Dropping and the button share this.

import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { Button, FileButton, Modal, Stack, Text, Tooltip, UnstyledButton } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconDeviceDesktop, IconUpload } from '@tabler/icons-react';
import { useRef, useState } from 'react';
import { useMesh } from '../../app/mesh';
import { formatBytes } from '../../lib/format';
import type { Peer } from '../../protocol/signal';
import type { RoomView } from '../../state/roomStore';
import { Avatar } from '../../ui/Avatar';
import rooms from '../rooms/rooms.module.css';
import classes from './files.module.css';
import { useRecipients } from './useRecipients';

export function useSendFiles(room: RoomView) {
  const { t } = useLingui();
  const mesh = useMesh();
  const recipients = useRecipients(room);
  const [waiting, setWaiting] = useState<File[]>([]);
  const fixed = useRef<Peer>(undefined);
  const opener = useRef<() => void>(() => {});

  function offer(peer: Peer, files: File[]) {
    mesh.transferActions.offer(room.roomId, peer, files);
    const to = peer.kind === 'agent' ? peer.device_name : peer.name;
    notifications.show({
      message: t`Offered to ${to}. It starts when they accept.`,
      autoClose: 3500,
      withBorder: true,
    });
  }

  return {
    recipients,
    waiting,
    /** Files were chosen or dropped: to the one recipient there is, else ask to whom. */
    send(files: File[]) {
      const target = fixed.current ?? (recipients.length === 1 ? recipients[0] : undefined);
      fixed.current = undefined;
      if (files.length === 0) return;
      if (target) offer(target, files);
      else setWaiting(files);
    },
    to(peer: Peer) {
      offer(peer, waiting);
      setWaiting([]);
    },
    drop: () => setWaiting([]),
    /** The button beside one peer: the next chosen files go there. */
    chooseFor(peer: Peer) {
      fixed.current = peer;
      opener.current();
    },
    chooseForAny() {
      fixed.current = undefined;
      opener.current();
    },
    bind: (open: () => void) => {
      opener.current = open;
    },
  };
}

export function SendFiles({ sending }: { sending: ReturnType<typeof useSendFiles> }) {
  const { t, i18n } = useLingui();
  const { recipients, waiting } = sending;
  const nobody = recipients.length === 0;
  const size = waiting.reduce((sum, file) => sum + file.size, 0);
  const reset = useRef<() => void>(null);
  return (
    <>
      <FileButton
        multiple
        resetRef={reset}
        inputProps={{ 'aria-label': t`Files to send` }}
        onChange={(files) => {
          sending.send(files);
          reset.current?.();
        }}
      >
        {({ onClick }) => {
          sending.bind(onClick);
          return (
            <Tooltip disabled={!nobody} label={t`Nobody is here who could receive a file.`}>
              <Button
                size="sm"
                className={rooms.compact}
                leftSection={<IconUpload size={16} />}
                data-disabled={nobody || undefined}
                aria-disabled={nobody || undefined}
                onClick={() => {
                  if (!nobody) sending.chooseForAny();
                }}
              >
                <Trans>Send files</Trans>
              </Button>
            </Tooltip>
          );
        }}
      </FileButton>
      <Modal
        opened={waiting.length > 0}
        onClose={sending.drop}
        title={<Trans>Send to whom?</Trans>}
        closeButtonProps={{ 'aria-label': t`Close` }}
      >
        <Stack gap="sm">
          <Text size="sm" c="dimmed" truncate>
            {waiting.length === 1 ? (
              waiting[0]?.name
            ) : (
              <Plural value={waiting.length} one="# file" other="# files" />
            )}
            {' · '}
            {formatBytes(size, i18n.locale)}
          </Text>
          <div className={classes.recipients}>
            {recipients.map((peer) => (
              <UnstyledButton
                key={peer.peer_id}
                className={classes.recipient}
                onClick={() => sending.to(peer)}
              >
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
            ))}
          </div>
        </Stack>
      </Modal>
    </>
  );
}

// Choosing files and to whom they go. Dropping, pasting and the buttons share this.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, FileButton, Tooltip } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconFolderUp, IconUpload } from '@tabler/icons-react';
import { Suspense, useRef, useState } from 'react';
import { useMesh } from '../../app/mesh';
import type { Chosen, ChosenFile } from '../../lib/transfer/chosen';
import type { Peer } from '../../protocol/signal';
import type { RoomView } from '../../state/roomStore';
import { lazyPart } from '../../ui/lazyPart';
import rooms from '../rooms/rooms.module.css';
import { useRecipients } from './useRecipients';

const Recipients = lazyPart(() => import('./tray/Recipients').then((module) => module.Recipients));
const choosing = () => import('../../lib/transfer/chosen');

export function useSendFiles(room: RoomView) {
  const { t } = useLingui();
  const mesh = useMesh();
  const recipients = useRecipients(room);
  const [waiting, setWaiting] = useState<ChosenFile[]>([]);
  const fixed = useRef<Peer>(undefined);
  const opener = useRef<() => void>(() => {});

  function offer(peers: Peer[], files: ChosenFile[]) {
    mesh.withTransfers((actions) => actions.offer(room.roomId, peers, files));
    const names = peers.map((peer) => (peer.kind === 'agent' ? peer.device_name : peer.name));
    const to = [...new Set(names)].join(', ');
    notifications.show({
      message: t`Offered to ${to}. It starts when they accept.`,
      autoClose: 3500,
      withBorder: true,
    });
  }

  /** To the one recipient there is, else ask to whom. */
  function send({ files, emptyFolders }: Chosen) {
    const target = fixed.current ?? (recipients.length === 1 ? recipients[0] : undefined);
    fixed.current = undefined;
    if (emptyFolders > 0)
      notifications.show({
        color: 'orange',
        message: t`Empty folders are left out: ${emptyFolders}.`,
        withBorder: true,
      });
    if (files.length === 0) return;
    if (target) offer([target], files);
    else setWaiting(files);
  }

  return {
    recipients,
    waiting,
    picked: (files: File[]) => void choosing().then(({ fromInput }) => send(fromInput(files))),
    dropped: (entries: (FileSystemEntry | File)[]) =>
      void choosing()
        .then(({ fromDrop }) => fromDrop(entries))
        .then(send)
        .catch(() => notifications.show({ color: 'red', message: t`What was dropped cannot be read.` })),
    to(peers: Peer[]) {
      offer(peers, waiting);
      setWaiting([]);
    },
    drop: () => setWaiting([]),
    /** The button beside one peer: the next chosen files go there. */
    chooseFor(peer: Peer) {
      fixed.current = peer;
      opener.current();
    },
    chooseForAny: () => {
      fixed.current = undefined;
    },
    bind: (open: () => void) => {
      opener.current = open;
    },
  };
}

type Sending = ReturnType<typeof useSendFiles>;

export function SendFiles({ sending }: { sending: Sending }) {
  const { t } = useLingui();
  return (
    <>
      <Picker sending={sending} folders={false} label={t`Files to send`} />
      <Picker sending={sending} folders label={t`Folder to send`} />
      {sending.waiting.length > 0 && (
        <Suspense>
          <Recipients sending={sending} />
        </Suspense>
      )}
    </>
  );
}

function Picker({ sending, folders, label }: { sending: Sending; folders: boolean; label: string }) {
  const { t } = useLingui();
  const nobody = sending.recipients.length === 0;
  const reset = useRef<() => void>(null);
  return (
    <FileButton
      multiple
      resetRef={reset}
      inputProps={{ 'aria-label': label, ...(folders ? { webkitdirectory: '' } : {}) }}
      onChange={(files) => {
        sending.picked(files);
        reset.current?.();
      }}
    >
      {({ onClick }) => {
        if (!folders) sending.bind(onClick);
        const open = {
          'data-disabled': nobody || undefined,
          'aria-disabled': nobody || undefined,
          onClick: () => {
            sending.chooseForAny();
            if (!nobody) onClick();
          },
        };
        const none = t`Nobody is here who could receive a file.`;
        return folders ? (
          <Tooltip label={nobody ? none : t`Send a folder`}>
            <ActionIcon
              size="lg"
              variant="default"
              className={rooms.wideOnly}
              aria-label={t`Send a folder`}
              {...open}
            >
              <IconFolderUp size={18} />
            </ActionIcon>
          </Tooltip>
        ) : (
          <Tooltip disabled={!nobody} label={none}>
            <Button size="sm" className={rooms.compact} leftSection={<IconUpload size={16} />} {...open}>
              <Trans>Send files</Trans>
            </Button>
          </Tooltip>
        );
      }}
    </FileButton>
  );
}

// The folders that are shared with a room, each to be opened.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { IconFolderOpen } from '@tabler/icons-react';
import { useState } from 'react';
import type { Share } from '../../protocol/generated/Share';
import type { RoomView } from '../../state/roomStore';
import ui from '../../ui/ui.module.css';
import { FolderPane } from './FolderPane';
import classes from './folders.module.css';
import { Words } from './words';

export function SharedFolders({ room }: { room: RoomView }) {
  return (
    <Words>
      <Folders room={room} />
    </Words>
  );
}

function Folders({ room }: { room: RoomView }) {
  const { t } = useLingui();
  // What was opened stays, so that the page can say that it is not shared any more.
  const [open, setOpen] = useState<Share>();
  const shared = room.shares.filter((share) => share.feature === 'folder');
  return (
    <section className={classes.section} aria-label={t`Shared folders`}>
      {shared.length > 0 && (
        <h2 className={ui.sectionTitle}>
          <Trans>Shared folders</Trans>
        </h2>
      )}
      <ul className={classes.list}>
        {shared.map((share) => (
          <li key={share.share_id}>
            <Button
              fullWidth
              variant="default"
              justify="flex-start"
              leftSection={<IconFolderOpen size={18} aria-hidden="true" />}
              aria-label={t`Open the folder ${share.label}`}
              onClick={() => setOpen(share)}
            >
              <span className={classes.name}>{share.label}</span>
              <Text span size="xs" c="dimmed" ml="xs">
                {room.peers[share.peer_id]?.name}
              </Text>
            </Button>
          </li>
        ))}
      </ul>
      {open && (
        <FolderPane
          key={open.share_id}
          roomId={room.roomId}
          share={open}
          shared={shared.some((share) => share.share_id === open.share_id)}
          onClose={() => setOpen(undefined)}
        />
      )}
    </section>
  );
}

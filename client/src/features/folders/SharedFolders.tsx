// The folders that are shared with a room, each to be opened.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Text } from '@mantine/core';
import { IconFolderOpen } from '@tabler/icons-react';
import type { Share } from '../../protocol/generated/Share';
import type { RoomView } from '../../state/roomStore';
import ui from '../../ui/ui.module.css';
import { FolderPane } from './FolderPane';
import classes from './folders.module.css';
import { Words } from './words';

interface Props {
  room: RoomView;
  onOpen: (share: Share) => void;
}

export function SharedFolders(props: Props) {
  return (
    <Words>
      <Folders {...props} />
    </Words>
  );
}

function Folders({ room, onOpen }: Props) {
  const { t } = useLingui();
  return (
    <section className={classes.section} aria-label={t`Shared folders`}>
      <h2 className={ui.sectionTitle}>
        <Trans>Shared folders</Trans>
      </h2>
      <ul className={classes.list}>
        {room.shares.filter(isFolder).map((share) => (
          <li key={share.share_id}>
            <Button
              fullWidth
              variant="default"
              justify="flex-start"
              leftSection={<IconFolderOpen size={18} aria-hidden="true" />}
              aria-label={t`Open the folder ${share.label}`}
              onClick={() => onOpen(share)}
            >
              <span className={classes.name}>{share.label}</span>
              <Text span size="xs" c="dimmed" ml="xs">
                {room.peers[share.peer_id]?.name}
              </Text>
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** One that was opened: it stays wherever the list of folders goes, and says when it is not shared any more. */
export function OpenFolder({ room, share, onClose }: { room: RoomView; share: Share; onClose: () => void }) {
  return (
    <Words>
      <FolderPane
        key={share.share_id}
        roomId={room.roomId}
        share={share}
        shared={room.shares.some((one) => one.share_id === share.share_id)}
        onClose={onClose}
      />
    </Words>
  );
}

function isFolder(share: Share): boolean {
  return share.feature === 'folder';
}

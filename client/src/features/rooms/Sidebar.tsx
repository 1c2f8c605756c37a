import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Badge, ScrollArea, Skeleton, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconHash, IconPlus, IconSettings } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useStore } from 'zustand';
import { useMesh, useSession } from '../../app/mesh';
import type { RoomSummary } from '../../protocol/rest';
import { chatOf } from '../../state/chatStore';
import { Avatar } from '../../ui/Avatar';
import { Logo } from '../../ui/Logo';
import ui from '../../ui/ui.module.css';
import { NewRoom } from './NewRoom';
import classes from './rooms.module.css';
import { useRooms } from './useRooms';

export function Sidebar() {
  const { t } = useLingui();
  const rooms = useRooms();
  const me = useSession((state) => state.me);
  const [creating, modal] = useDisclosure(false);
  return (
    <nav className={classes.sidebar} aria-label={t`Rooms`}>
      <div className={classes.brand}>
        <Logo size={26} />
        <Text span fw={660}>
          Mesh
        </Text>
      </div>
      <div className={classes.sidebarHead}>
        <h2 className={ui.sectionTitle}>
          <Trans>Rooms</Trans>
        </h2>
        {me?.guest === false && (
          <Tooltip label={t`New room`}>
            <ActionIcon size="sm" aria-label={t`New room`} onClick={modal.open}>
              <IconPlus size={16} />
            </ActionIcon>
          </Tooltip>
        )}
      </div>
      <ScrollArea className={classes.sidebarList} scrollbarSize={6}>
        <ul className={classes.plainList}>
          {rooms.data?.map((room) => (
            <li key={room.room_id}>
              <RoomLink room={room} />
            </li>
          ))}
        </ul>
        {rooms.isPending && <Skeleton h={30} mx={4} radius="sm" />}
      </ScrollArea>
      {me && (
        <Link to="/settings" className={classes.me} activeProps={{ 'data-active': true }}>
          <Avatar name={me.name} id={me.user_id} size={28} />
          <Text span size="sm" fw={540} truncate flex={1}>
            {me.name}
          </Text>
          <IconSettings size={17} aria-hidden="true" />
          <span className="visually-hidden">
            <Trans>Settings</Trans>
          </span>
        </Link>
      )}
      <NewRoom opened={creating} onClose={modal.close} />
    </nav>
  );
}

function RoomLink({ room }: { room: RoomSummary }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const unread = useStore(mesh.chat, (state) => chatOf(state, room.room_id).unread);
  const name = useStore(mesh.rooms, (state) => state.rooms[room.room_id]?.name ?? room.name);
  const offers = useStore(
    mesh.transfers,
    (state) =>
      Object.values(state.transfers).filter((one) => one.roomId === room.room_id && one.phase === 'offered')
        .length,
  );
  const waiting = unread + offers;
  return (
    <Link
      to="/rooms/$roomId"
      params={{ roomId: room.room_id }}
      className={classes.roomLink}
      activeProps={{ 'data-active': true, 'aria-current': 'page' }}
      data-unread={waiting > 0 || undefined}
    >
      <IconHash size={16} aria-hidden="true" className={classes.roomIcon} />
      <Text span size="sm" truncate flex={1}>
        {name}
      </Text>
      {waiting > 0 && (
        <Badge size="sm" circle={waiting < 10} aria-label={t`${waiting} new`}>
          {waiting > 99 ? '99+' : waiting}
        </Badge>
      )}
    </Link>
  );
}

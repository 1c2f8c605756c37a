import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, ScrollArea, Skeleton, Text, Tooltip } from '@mantine/core';
import { IconHash, IconPlus, IconSearch, IconSettings } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useStore } from 'zustand';
import { useMesh, useSession } from '../../app/mesh';
import { isMac } from '../../lib/shortcuts';
import type { RoomSummary } from '../../protocol/rest';
import { Avatar } from '../../ui/Avatar';
import { Logo } from '../../ui/Logo';
import ui from '../../ui/ui.module.css';
import { RoomSigns, useWaitingIn } from './RoomSigns';
import classes from './rooms.module.css';
import { useRooms } from './useRooms';

interface Props {
  onNewRoom: () => void;
  onPalette: () => void;
}

export function Sidebar({ onNewRoom, onPalette }: Props) {
  const { t } = useLingui();
  const keys = isMac(navigator.userAgent) ? '⌘K' : 'Ctrl+K';
  const rooms = useRooms();
  const me = useSession((state) => state.me);
  return (
    <nav className={classes.sidebar} aria-label={t`Rooms`}>
      <div className={classes.brand}>
        <Logo size={26} />
        <Text span fw={660}>
          Mesh
        </Text>
        <span className={classes.grow} />
        <Tooltip label={t`Find and do anything (${keys})`}>
          <ActionIcon aria-label={t`Find and do anything`} onClick={onPalette}>
            <IconSearch size={17} />
          </ActionIcon>
        </Tooltip>
      </div>
      <div className={classes.sidebarHead}>
        <h2 className={ui.sectionTitle}>
          <Trans>Rooms</Trans>
        </h2>
        {me?.guest === false && (
          <Tooltip label={t`New room`}>
            <ActionIcon size="sm" aria-label={t`New room`} onClick={onNewRoom}>
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
    </nav>
  );
}

function RoomLink({ room }: { room: RoomSummary }) {
  const mesh = useMesh();
  const name = useStore(mesh.rooms, (state) => state.rooms[room.room_id]?.name ?? room.name);
  const waiting = useWaitingIn(room.room_id);
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
      <RoomSigns roomId={room.room_id} />
    </Link>
  );
}

// `/`: the list of rooms; with only one, that room.

import { Trans, useLingui } from '@lingui/react/macro';
import { Button, Center, Loader, Text } from '@mantine/core';
import { IconHash, IconMessages, IconPlus } from '@tabler/icons-react';
import { Link, Navigate } from '@tanstack/react-router';
import { explainError } from '../../app/failures';
import { EmptyState } from '../../ui/EmptyState';
import { Problem } from '../../ui/Problem';
import { PageHeader } from './PageHeader';
import { RoomSigns } from './RoomSigns';
import classes from './rooms.module.css';
import { useFrame } from './Shell';
import { useRooms } from './useRooms';

export function RoomsPage() {
  const { i18n } = useLingui();
  const rooms = useRooms();
  const { newRoom } = useFrame();
  const only = rooms.data?.length === 1 ? rooms.data[0] : undefined;
  if (only) return <Navigate to="/rooms/$roomId" params={{ roomId: only.room_id }} replace />;
  return (
    <>
      <PageHeader title={<Trans>Rooms</Trans>}>
        <Button size="sm" leftSection={<IconPlus size={16} />} onClick={newRoom}>
          <Trans>New room</Trans>
        </Button>
      </PageHeader>
      <main id="main" className={classes.page}>
        {rooms.isPending && (
          <Center flex={1}>
            <Loader aria-hidden="true" />
          </Center>
        )}
        {rooms.error && <Problem>{explainError(i18n, rooms.error)}</Problem>}
        {rooms.data?.length === 0 && (
          <EmptyState icon={<IconMessages size={26} />} title={<Trans>You are in no room yet</Trans>}>
            <Text size="sm" c="dimmed" maw={400}>
              <Trans>Make a room and invite people, or open an invitation link that somebody gave you.</Trans>
            </Text>
          </EmptyState>
        )}
        <ul className={classes.roomCards}>
          {rooms.data?.map((room) => (
            <li key={room.room_id}>
              <Link to="/rooms/$roomId" params={{ roomId: room.room_id }} className={classes.roomCard}>
                <IconHash size={20} aria-hidden="true" />
                <Text span fw={580} truncate flex={1}>
                  {room.name}
                </Text>
                <RoomSigns roomId={room.room_id} />
              </Link>
            </li>
          ))}
        </ul>
      </main>
    </>
  );
}

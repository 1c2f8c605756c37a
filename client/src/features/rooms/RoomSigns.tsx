// What goes on in a room, beside its name in a list: a call, who is there, and what waits to be read.

import { useLingui } from '@lingui/react/macro';
import { Badge, Tooltip } from '@mantine/core';
import { IconPhoneCall } from '@tabler/icons-react';
import { useStore } from 'zustand';
import { useMesh, useSession } from '../../app/mesh';
import { chatOf } from '../../state/chatStore';
import { othersHere } from '../../state/presence';
import classes from './rooms.module.css';

/** Unread messages and open offers of a room. */
export function useWaitingIn(roomId: string): number {
  const mesh = useMesh();
  const unread = useStore(mesh.chat, (state) => chatOf(state, roomId).unread);
  const offers = useStore(
    mesh.transfers,
    (state) =>
      Object.values(state.transfers).filter((one) => one.roomId === roomId && one.phase === 'offered').length,
  );
  return unread + offers;
}

export function RoomSigns({ roomId }: { roomId: string }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const me = useSession((state) => state.me?.user_id);
  const waiting = useWaitingIn(roomId);
  const calling = useStore(mesh.calls, (state) => state.rooms[roomId] !== undefined);
  const here = useStore(mesh.rooms, (state) => othersHere(state.rooms[roomId], me));
  return (
    <>
      {calling && <IconPhoneCall size={15} role="img" aria-label={t`A call goes on`} />}
      {here > 0 && (
        <Tooltip label={t`Others here: ${here}`}>
          <span className={classes.here} role="img" aria-label={t`Others here: ${here}`}>
            {here}
          </span>
        </Tooltip>
      )}
      {waiting > 0 && (
        <Badge size="sm" circle={waiting < 10} aria-label={t`${waiting} new`}>
          {waiting > 99 ? '99+' : waiting}
        </Badge>
      )}
    </>
  );
}

// The ways into a call: of a room, of a person, and into one that goes on.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, Text, Tooltip } from '@mantine/core';
import { IconPhone, IconPhoneCall, IconScreenShare } from '@tabler/icons-react';
import { useSession } from '../../app/mesh';
import type { Person } from '../../state/presence';
import type { RoomView } from '../../state/roomStore';
import rooms from '../rooms/rooms.module.css';
import classes from './call.module.css';
import { useAct, useCalls } from './useCalls';
import { Words } from './words';

function mayCall({ role, settings }: RoomView): boolean {
  return role === 'owner' || settings.policy[role].includes('call');
}

export function CallRoom({ room }: { room: RoomView }) {
  return (
    <Words>
      <CallRoomButton room={room} />
    </Words>
  );
}

function CallRoomButton({ room }: { room: RoomView }) {
  const { t } = useLingui();
  const act = useAct();
  const here = useCalls(({ call }) => call?.roomId === room.roomId && call.phase !== 'over');
  const running = useCalls((state) => state.rooms[room.roomId] !== undefined);
  const allowed = mayCall(room) || running;
  const reason = here
    ? t`You are in a call of this room.`
    : allowed
      ? undefined
      : t`Your role may not call in this room.`;
  return (
    <Tooltip label={reason} disabled={!reason}>
      <Button
        size="sm"
        variant="default"
        className={rooms.compact}
        leftSection={<IconPhone size={16} />}
        data-disabled={reason ? true : undefined}
        aria-disabled={reason ? true : undefined}
        aria-description={reason}
        onClick={() => {
          if (!reason) act((calls) => calls.call.prepare(room.roomId));
        }}
      >
        {running ? <Trans>Join the call</Trans> : <Trans>Call</Trans>}
      </Button>
    </Tooltip>
  );
}

export function CallPerson({ room, person }: { room: RoomView; person: Person }) {
  return (
    <Words>
      <CallPersonButton room={room} person={person} />
    </Words>
  );
}

function CallPersonButton({ room, person }: { room: RoomView; person: Person }) {
  const { t } = useLingui();
  const act = useAct();
  const { userId, name } = person;
  if (!mayCall(room)) return null;
  return (
    <Tooltip label={t`Call ${name}`}>
      <ActionIcon
        aria-label={t`Call ${name}`}
        onClick={() => act((calls) => calls.call.prepare(room.roomId, { person: { userId, name } }))}
      >
        <IconPhone size={18} />
      </ActionIcon>
    </Tooltip>
  );
}

/** What goes on in this room and this page does not take part in. */
export function GoingOn({ room }: { room: RoomView }) {
  return (
    <Words>
      <CallBanner room={room} />
      <ScreenBanners room={room} />
    </Words>
  );
}

function CallBanner({ room }: { room: RoomView }) {
  const act = useAct();
  const me = useSession((state) => state.connection.peerId);
  const running = useCalls((state) => state.rooms[room.roomId]);
  const here = useCalls(({ call }) => call?.roomId === room.roomId && call.phase !== 'over');
  const others = running?.peers.filter((peer) => peer !== me) ?? [];
  if (!running || here || others.length === 0) return null;
  const names = others.map((peer) => room.peers[peer]?.name).filter(Boolean);
  return (
    <div className={classes.banner} role="status">
      <IconPhoneCall size={18} aria-hidden="true" />
      <Text size="sm" className={classes.grow}>
        <Trans>In a call here:</Trans> {names.join(', ')}
      </Text>
      <Button
        size="xs"
        onClick={() => act((calls) => calls.call.prepare(room.roomId, { sessionId: running.sessionId }))}
      >
        <Trans>Join</Trans>
      </Button>
    </div>
  );
}

function ScreenBanners({ room }: { room: RoomView }) {
  const act = useAct();
  const screens = useCalls((state) => state.screens);
  const inCall = useCalls(({ call }) => call?.roomId === room.roomId && call.phase === 'in');
  if (inCall) return null;
  return Object.values(screens)
    .filter((screen) => screen.roomId === room.roomId && !screen.mine && screen.phase === 'offered')
    .map((screen) => (
      <div key={screen.sessionId} className={classes.banner} role="status">
        <IconScreenShare size={18} aria-hidden="true" />
        <Text size="sm" className={classes.grow}>
          <Trans>{screen.name} shows a screen.</Trans>
        </Text>
        <Button size="xs" onClick={() => act((calls) => calls.screens.watch(screen.sessionId))}>
          <Trans>Watch</Trans>
        </Button>
      </div>
    ));
}

// The ways into a call: of a room, of a person, and into one that goes on.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, Menu, Text, Tooltip } from '@mantine/core';
import { IconPhone, IconPhoneCall, IconScreenShare } from '@tabler/icons-react';
import { useMesh, useSession } from '../../app/mesh';
import { canShareScreen } from '../../lib/call/devices';
import type { Person } from '../../state/presence';
import type { RoomView } from '../../state/roomStore';
import rooms from '../rooms/rooms.module.css';
import classes from './call.module.css';
import { explainCall } from './sentences';
import { useAct, useCalls } from './useCalls';
import { useShowScreen } from './useShowScreen';
import { Words } from './words';

export function may(right: 'call' | 'screen', { role, settings }: RoomView): boolean {
  return role === 'owner' || settings.policy[role].includes(right);
}

export function CallRoom({ room }: { room: RoomView }) {
  return (
    <Words>
      <CallRoomButton room={room} />
      <ShowScreenButton room={room} />
    </Words>
  );
}

function CallRoomButton({ room }: { room: RoomView }) {
  const { t } = useLingui();
  const act = useAct();
  const here = useCalls(({ call }) => call?.roomId === room.roomId && call.phase !== 'over');
  const running = useCalls((state) => state.rooms[room.roomId] !== undefined);
  const allowed = may('call', room) || running;
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

/** Outside of a call: in one, this is among its controls. */
function ShowScreenButton({ room }: { room: RoomView }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const { own, fault, show } = useShowScreen(room.roomId);
  const inCall = useCalls(({ call }) => call?.roomId === room.roomId && call.phase !== 'over');
  if (inCall || own.length > 0 || !canShareScreen() || !may('screen', room)) return null;
  const begin = (mode: 'detail' | 'motion') => {
    // The room stays in sight; what is shown, one sees anyway.
    mesh.calls.setState({ large: false });
    void show(mode);
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip
          label={fault ? explainCall(i18n, { code: fault, detail: '' }) : t`Show a screen to the room`}
        >
          <ActionIcon size="lg" aria-label={t`Show a screen to the room`} className={rooms.wideOnly}>
            <IconScreenShare size={20} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => begin('detail')}>
          <Trans>Show with sharp letters</Trans>
        </Menu.Item>
        <Menu.Item onClick={() => begin('motion')}>
          <Trans>Show as a smooth film</Trans>
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
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
  if (!may('call', room)) return null;
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

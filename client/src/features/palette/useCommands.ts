// Everything that can be done from where one is, as commands.

import { useLingui } from '@lingui/react/macro';
import { useMantineColorScheme } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useStore } from 'zustand';
import { chooseLanguage, LANGUAGES, type Language } from '../../app/i18n';
import { useMesh, useSession } from '../../app/mesh';
import type { RoomSummary } from '../../protocol/rest';
import { machinesOf, peopleOf } from '../../state/presence';
import type { RoomView } from '../../state/roomStore';
import { may } from '../call/Entries';
import { ROOMS_KEY } from '../rooms/useRooms';
import type { Command } from './filter';

interface Dialogs {
  onNewRoom: () => void;
  onShortcuts: () => void;
}

export function useCommands(dialogs: Dialogs): Command[] {
  const mesh = useMesh();
  const here = useStore(mesh.commands, (state) => state.room);
  const room = useStore(mesh.rooms, (state) => state.rooms[here?.roomId ?? '']);
  return [...useCallCommands(), ...useRoomCommands(room), ...useRooms(), ...usePageCommands(dialogs)];
}

/** What one does in the call that this page is in. */
function useCallCommands(): Command[] {
  const { t } = useLingui();
  const mesh = useMesh();
  const call = useStore(mesh.calls, (state) => state.call);
  const large = useStore(mesh.calls, (state) => state.large);
  const screens = useStore(mesh.calls, (state) => state.screens);
  const shown = Object.values(screens).filter((one) => one.mine && one.phase !== 'ended');
  const group = t`In the call`;
  const act = mesh.withCalls;
  const commands: Command[] = [];
  if (shown.length > 0)
    commands.push({
      id: 'stop-showing',
      group,
      name: t`Stop showing the screen`,
      run: () => act((calls) => shown.forEach((one) => void calls.screens.stop(one.sessionId))),
    });
  if (call?.phase !== 'in') return commands;
  const { audio, video } = call;
  return [
    {
      id: 'audio',
      group,
      name: audio ? t`Turn the microphone off` : t`Turn the microphone on`,
      also: 'mute M',
      run: () => act((calls) => calls.call.set('audio', !audio)),
    },
    {
      id: 'video',
      group,
      name: video ? t`Turn the camera off` : t`Turn the camera on`,
      also: 'V',
      run: () => act((calls) => calls.call.set('video', !video)),
    },
    {
      id: 'size',
      group,
      name: large ? t`Make the call small` : t`Make the call large`,
      run: () => mesh.calls.setState({ large: !large }),
    },
    ...commands,
    { id: 'leave', group, name: t`Leave the call`, run: () => act((calls) => calls.leave()) },
  ];
}

/** What one does in the room in sight. */
function useRoomCommands(room: RoomView | undefined): Command[] {
  const { t } = useLingui();
  const mesh = useMesh();
  const me = useSession((state) => state.me?.user_id);
  const peer = useSession((state) => state.connection.peerId);
  const here = useStore(mesh.commands, (state) => state.room);
  const inCall = useStore(mesh.calls, ({ call }) => call !== undefined && call.phase !== 'over');
  const running = useStore(mesh.calls, (state) => state.rooms[room?.roomId ?? ''] !== undefined);
  if (!room || !here) return [];
  const { roomId, name } = room;
  const group = name;
  const call = (options?: { person: { userId: string; name: string } }) =>
    mesh.withCalls((calls) => calls.call.prepare(roomId, options));
  const commands: Command[] = [{ id: 'write', group, name: t`Write a message`, run: here.write }];
  if (!inCall && (running || may('call', room)))
    commands.push({ id: 'call', group, name: running ? t`Join the call` : t`Call everybody`, run: call });
  if (!inCall && may('call', room))
    for (const { userId, name: who, availability, isMe } of peopleOf(room, me, peer))
      if (!isMe && availability !== 'offline')
        commands.push({
          id: `call-${userId}`,
          group,
          name: t`Call ${who}`,
          run: () => call({ person: { userId, name: who } }),
        });
  if (room.role === 'owner' || room.settings.policy[room.role].includes('terminal:view'))
    for (const { key, name: machine, terminal } of machinesOf(room, me))
      if (terminal)
        commands.push({
          id: `terminal-${key}`,
          group,
          name: t`Open the terminal of ${machine}`,
          run: () => here.openTerminal(terminal),
        });
  if (here.invite) commands.push({ id: 'invite', group, name: t`Invite somebody`, run: here.invite });
  commands.push({ id: 'room-settings', group, name: t`Room settings`, run: here.settings });
  return commands;
}

function useRooms(): Command[] {
  const { t } = useLingui();
  const mesh = useMesh();
  const navigate = useNavigate();
  const known = useQueryClient().getQueryData<RoomSummary[]>(ROOMS_KEY);
  return (known ?? []).map(({ room_id: roomId, name }) => ({
    id: `room-${roomId}`,
    group: t`Rooms`,
    name,
    run: () => {
      // The room, and not the call before it.
      mesh.calls.setState({ large: false });
      void navigate({ to: '/rooms/$roomId', params: { roomId } });
    },
  }));
}

function usePageCommands({ onNewRoom, onShortcuts }: Dialogs): Command[] {
  const { t } = useLingui();
  const mesh = useMesh();
  const navigate = useNavigate();
  const guest = useSession((state) => state.me?.guest !== false);
  const { setColorScheme } = useMantineColorScheme();
  const group = 'Mesh';
  const themes = { light: t`Light theme`, dark: t`Dark theme`, auto: t`The system’s theme` };
  const pages: Command[] = [
    {
      id: 'settings',
      group,
      name: t`Settings`,
      also: t`notifications devices sessions password`,
      run: () => void navigate({ to: '/settings' }),
    },
    { id: 'shortcuts', group, name: t`Keyboard shortcuts`, run: onShortcuts },
  ];
  if (!guest)
    pages.unshift(
      { id: 'new-room', group, name: t`New room`, run: onNewRoom },
      { id: 'pair', group, name: t`Add a device by its code`, run: () => void navigate({ to: '/pair' }) },
    );
  return [
    ...pages,
    ...Object.entries(themes).map(([scheme, name]) => ({
      id: `theme-${scheme}`,
      group,
      name,
      run: () => setColorScheme(scheme as keyof typeof themes),
    })),
    ...Object.entries(LANGUAGES).map(([language, name]) => ({
      id: `language-${language}`,
      group,
      name,
      also: t`language`,
      run: () => void chooseLanguage(language as Language),
    })),
    {
      id: 'sign-out',
      group,
      name: t`Sign out`,
      // Also when the server is out of reach: the person wants to be gone from this page.
      run: () =>
        void mesh.api
          .logout()
          .catch((error) => console.debug('not told', error))
          .finally(() => mesh.signedOut(false)),
    },
  ];
}

// `/rooms/<id>`: the room. On a wide screen chat and terminals share the middle and people, machines and transfers stand
// at the side; on a narrow one each has a tab at the bottom.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, Center, Indicator, Loader } from '@mantine/core';
import { useDisclosure, useMediaQuery } from '@mantine/hooks';
import { IconAdjustments, IconDoorOff, IconUserPlus } from '@tabler/icons-react';
import { Link, useParams } from '@tanstack/react-router';
import { Suspense, useEffect, useEffectEvent, useMemo, useRef, useState } from 'react';
import { flushSync } from 'react-dom';
import { useStore } from 'zustand';
import { explain } from '../../app/failures';
import { useMesh, useRoom, useSession } from '../../app/mesh';
import type { Peer, Share } from '../../protocol/signal';
import { peopleOf } from '../../state/presence';
import type { RoomView } from '../../state/roomStore';
import { shareNamed } from '../../state/terminalLoader';
import { terminalsIn } from '../../state/terminalStore';
import { EmptyState } from '../../ui/EmptyState';
import { lazyPart } from '../../ui/lazyPart';
import { ChatPanel } from '../chat/ChatPanel';
import { DropZone } from '../files/DropZone';
import { Offers } from '../files/Offers';
import { SendFiles, useSendFiles } from '../files/SendFiles';
import { PeoplePanel } from '../people/PeoplePanel';
import { useShortcuts } from '../shortcuts/useShortcuts';
import { PageHeader } from './PageHeader';
import { BottomTabs, panelId, tabId, tabsOf, type View } from './RoomTabs';
import classes from './rooms.module.css';
import { NARROW } from './Shell';

// Not on the first screen: loaded when they are opened.
const RoomSettings = lazyPart(() => import('./settings/RoomSettings').then((module) => module.RoomSettings));
const TransfersPanel = lazyPart(() =>
  import('../files/tray/TransfersPanel').then((module) => module.TransfersPanel),
);
const SharedFolders = lazyPart(() =>
  import('../folders/SharedFolders').then((module) => module.SharedFolders),
);
const OpenFolder = lazyPart(() => import('../folders/SharedFolders').then((module) => module.OpenFolder));
const CallRoom = lazyPart(() => import('../call/Entries').then((module) => module.CallRoom));
const GoingOn = lazyPart(() => import('../call/Entries').then((module) => module.GoingOn));
const Invite = lazyPart(() => import('./Invite').then((module) => module.Invite));
const MainTabs = lazyPart(() => import('./MainTabs').then((module) => module.MainTabs));
const TerminalPane = lazyPart(() => import('../terminal/TerminalPane').then((module) => module.TerminalPane));

export function RoomPage() {
  const { roomId } = useParams({ from: '/signed-in/rooms/$roomId' });
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const room = useRoom(roomId);
  const refused = useStore(mesh.rooms, (state) => state.refused[roomId]);

  useEffect(() => mesh.roomActions.enter(roomId), [mesh, roomId]);

  if (room) return <Room key={roomId} room={room} />;
  if (refused)
    return (
      <>
        <PageHeader title={<Trans>Room</Trans>} />
        <main id="main" className={classes.page}>
          <EmptyState
            icon={<IconDoorOff size={26} />}
            title={
              refused === 'IN_LOBBY' ? (
                <Trans>Waiting to be let in</Trans>
              ) : (
                <Trans>You cannot enter this room</Trans>
              )
            }
          >
            <span role="alert">{explain(i18n, { code: refused, detail: '' })}</span>
            <Button component={Link} to="/" variant="light">
              <Trans>Go to your rooms</Trans>
            </Button>
          </EmptyState>
        </main>
      </>
    );
  return (
    <Center h="100%">
      <Loader aria-label={t`Loading`} />
    </Center>
  );
}

function Room({ room }: { room: RoomView }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const me = useSession((state) => state.me);
  const myPeerId = useSession((state) => state.connection.peerId);
  const narrow = useMediaQuery(NARROW, window.matchMedia(NARROW).matches, { getInitialValueInEffect: false });
  const [view, setView] = useState<View>({ kind: 'chat' });
  const comeBack = useEffectEvent(() => {
    const front = mesh.terminalLoader.comeBack(room);
    if (front) setView({ kind: 'terminal', sessionId: front });
  });
  useEffect(() => comeBack(), []);
  const [inviting, invite] = useDisclosure(false);
  const [setting, settings] = useDisclosure(false);
  const sending = useSendFiles(room);
  const composer = useRef<HTMLTextAreaElement>(null);

  const all = useStore(mesh.terminals, (state) => state.terminals);
  const terminals = useMemo(() => terminalsIn({ terminals: all }, room.roomId), [all, room.roomId]);
  const people = useMemo(() => peopleOf(room, me?.user_id, myPeerId), [room, me, myPeerId]);
  const folders = room.shares.some((share) => share.feature === 'folder');
  const [folder, openFolder] = useState<Share>();
  const here = people.filter((person) => person.availability !== 'offline').length;

  // A terminal that was closed leaves its place to the chat; the panels of a phone stand at the side of a wide screen.
  const gone = view.kind === 'terminal' && !terminals.some((one) => one.sessionId === view.sessionId);
  const misplaced = !narrow && (view.kind === 'people' || view.kind === 'files');
  const shown: View = gone || misplaced ? { kind: 'chat' } : view;

  const write = () => {
    // Drawn at once: what is hidden takes no focus.
    flushSync(() => setView({ kind: 'chat' }));
    composer.current?.focus();
  };
  const openTerminal = (peer: Peer, share?: Share) => {
    // One view of a terminal is enough: the second click leads back to it.
    const open = terminals.find(
      (one) => one.peerId === peer.peer_id && one.share?.id === share?.share_id && one.phase !== 'ended',
    );
    const sessionId = open?.sessionId ?? mesh.terminalLoader.open(room.roomId, peer, share);
    setView({ kind: 'terminal', sessionId });
  };
  const tabbed = terminals.length > 0 && (!narrow || (shown.kind === 'terminal' && terminals.length > 1));
  const panel = (name: string) => ({
    id: panelId(name),
    role: tabbed ? 'tabpanel' : undefined,
    'aria-labelledby': tabbed ? tabId(name) : undefined,
  });
  const mayInvite = room.role === 'owner' || room.role === 'moderator';

  // As they are in this moment; nobody draws them.
  useEffect(() => {
    mesh.commands.setState({
      room: {
        roomId: room.roomId,
        invite: mayInvite ? invite.open : undefined,
        settings: settings.open,
        write,
        openTerminal,
      },
    });
  });
  useEffect(() => () => mesh.commands.setState({ room: undefined }), [mesh]);

  useShortcuts((shortcut) => {
    if (shortcut.kind === 'write') {
      write();
      return true;
    }
    if (shortcut.kind !== 'tab') return false;
    const target = tabsOf(terminals)[shortcut.index];
    if (target) setView(target);
    return target !== undefined;
  });

  const waiting = useWaiting();
  useEffect(() => {
    document.title = `${waiting > 0 ? `(${waiting}) ` : ''}${room.name} · Mesh`;
    return () => {
      document.title = 'Mesh';
    };
  }, [room.name, waiting]);

  const peoplePanel = (
    <PeoplePanel room={room} people={people} onTerminal={openTerminal} onSend={sending.chooseFor} />
  );

  return (
    <DropZone onFiles={sending.dropped} enabled={sending.recipients.length > 0}>
      <PageHeader title={room.name} detail={<Trans>{here} here</Trans>}>
        {mayInvite && (
          <Button
            size="sm"
            variant="default"
            className={classes.compact}
            leftSection={<IconUserPlus size={16} />}
            onClick={invite.open}
          >
            <Trans>Invite</Trans>
          </Button>
        )}
        <Suspense>
          <CallRoom room={room} />
        </Suspense>
        <SendFiles sending={sending} />
        <Indicator label={room.waiting} disabled={room.waiting === 0} size={16}>
          <ActionIcon size="lg" aria-label={t`Room settings`} onClick={settings.open}>
            <IconAdjustments size={20} />
          </ActionIcon>
        </Indicator>
      </PageHeader>
      <div className={classes.room}>
        <main id="main" className={classes.roomMain}>
          <Suspense>
            <GoingOn room={room} />
          </Suspense>
          <Offers roomId={room.roomId} />
          {tabbed && (
            <Suspense>
              <MainTabs terminals={terminals} view={shown} onView={setView} onNone={write} />
            </Suspense>
          )}
          <div className={classes.panel} hidden={shown.kind !== 'chat'} {...panel('chat')}>
            <ChatPanel
              room={room}
              visible={shown.kind === 'chat'}
              composer={composer}
              onInvite={invite.open}
            />
          </div>
          {terminals.map((terminal) => {
            const machine = room.peers[terminal.peerId] ?? sameMachine(room, terminal.deviceId);
            return (
              <div
                key={terminal.sessionId}
                className={classes.panel}
                hidden={shown.kind !== 'terminal' || shown.sessionId !== terminal.sessionId}
                {...panel(terminal.sessionId)}
              >
                <Suspense>
                  <TerminalPane
                    terminal={terminal}
                    visible={shown.kind === 'terminal' && shown.sessionId === terminal.sessionId}
                    machine={machine}
                    share={shareNamed(room, machine?.peer_id, terminal.share?.label)}
                  />
                </Suspense>
              </div>
            );
          })}
          {narrow && shown.kind === 'people' && <div className={classes.panel}>{peoplePanel}</div>}
          {narrow && shown.kind === 'files' && (
            <div className={classes.panel}>
              <Suspense>
                {folders && <SharedFolders room={room} onOpen={openFolder} />}
                <TransfersPanel roomId={room.roomId} />
              </Suspense>
            </div>
          )}
        </main>
        {!narrow && (
          <aside className={classes.side}>
            {peoplePanel}
            <Suspense>
              {folders && <SharedFolders room={room} onOpen={openFolder} />}
              <TransfersPanel roomId={room.roomId} />
            </Suspense>
          </aside>
        )}
      </div>
      {narrow && <BottomTabs terminals={terminals} view={shown} onView={setView} />}
      {folder && (
        <Suspense>
          <OpenFolder room={room} share={folder} onClose={() => openFolder(undefined)} />
        </Suspense>
      )}
      {setting && (
        <Suspense>
          <RoomSettings room={room} onClose={settings.close} />
        </Suspense>
      )}
      {inviting && (
        <Suspense>
          <Invite roomId={room.roomId} onClose={invite.close} />
        </Suspense>
      )}
    </DropZone>
  );
}

/** Unread messages and open offers, in all rooms. */
function useWaiting(): number {
  const mesh = useMesh();
  const unread = useStore(mesh.chat, (state) =>
    Object.values(state.rooms).reduce((sum, chat) => sum + chat.unread, 0),
  );
  const offers = useStore(
    mesh.transfers,
    (state) => Object.values(state.transfers).filter((one) => one.phase === 'offered').length,
  );
  return unread + offers;
}

/** After a reconnect the same machine is another peer. */
function sameMachine(room: RoomView, deviceId: string) {
  return Object.values(room.peers).find(
    (peer) => peer.device_id === deviceId && peer.offers.includes('terminal'),
  );
}

// The call, filling the page: pictures in a grid or one of them large, screens that are shown, and the controls.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Alert, Text, Tooltip } from '@mantine/core';
import { IconArrowsDiagonalMinimize2, IconLayoutGrid, IconLayoutSidebarRight } from '@tabler/icons-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useMesh, useSession } from '../../app/mesh';
import type { CallView } from '../../state/callStore';
import { PageClock } from './Clock';
import { Controls } from './Controls';
import classes from './call.module.css';
import { Recorded } from './Recorded';
import { ScreenTile } from './ScreenTile';
import { explainCall } from './sentences';
import { OwnTile, Tile } from './Tile';
import { useCallKeys } from './useCallKeys';
import { useAct, useCalls } from './useCalls';
import { useOwnMedia } from './useOwnMedia';

export function Stage({ roomId, onSmall }: { roomId: string; onSmall: () => void }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const call = useCalls((state) => (state.call?.roomId === roomId ? state.call : undefined));
  const screens = useCalls((state) => state.screens);
  const shown = useMemo(
    () => Object.values(screens).filter((one) => one.roomId === roomId && one.phase !== 'offered'),
    [screens, roomId],
  );
  const stage = useRef<HTMLElement>(null);
  const [spotlight, setSpotlight] = useState(false);
  const [pinned, setPinned] = useState<string>();
  // Who was heard last stays large while one speaks oneself.
  const [heard, setHeard] = useState<string>();
  if (call?.speaker && call.speaker !== 'me' && call.speaker !== heard) setHeard(call.speaker);
  const room = mesh.rooms.getState().rooms[roomId]?.name ?? '';
  const others = Object.values(call?.participants ?? {});
  const people = others.length + (call ? 1 : 0);
  useCallKeys(call);

  // The keyboard goes along to what has come in front of the page.
  useEffect(() => stage.current?.focus({ preventScroll: true }), []);

  const wanted = [...others.map((one) => one.peerId), 'me', ...shown.map((one) => one.sessionId)];
  const [first] = shown;
  const large =
    pinned && wanted.includes(pinned)
      ? pinned
      : first
        ? first.sessionId
        : spotlight
          ? (others.find((one) => one.peerId === heard) ?? others[0])?.peerId
          : undefined;

  return (
    <section ref={stage} className={classes.stage} aria-label={t`Call in ${room}`} tabIndex={-1}>
      <header className={classes.top}>
        <Text component="h1" fw={620} size="sm" m={0} className={classes.title}>
          {call?.person ? call.person.name : room}
        </Text>
        <Text size="sm" c="dimmed" className="numbers">
          {call ? <PageClock since={call.since} /> : null}
        </Text>
        <Recorded call={call} screens={shown} />
        <span className={classes.grow} />
        {!first && people > 2 && (
          <Tooltip label={spotlight ? t`Show everybody alike` : t`Show who speaks large`}>
            <ActionIcon
              size="lg"
              aria-label={spotlight ? t`Show everybody alike` : t`Show who speaks large`}
              onClick={() => {
                setSpotlight(!spotlight);
                setPinned(undefined);
              }}
            >
              {spotlight ? <IconLayoutGrid size={18} /> : <IconLayoutSidebarRight size={18} />}
            </ActionIcon>
          </Tooltip>
        )}
        <Tooltip label={t`Back to the room; the call goes on`}>
          <ActionIcon size="lg" aria-label={t`Make the call small`} onClick={onSmall}>
            <IconArrowsDiagonalMinimize2 size={18} />
          </ActionIcon>
        </Tooltip>
      </header>
      {call && <Faults call={call} />}
      <ul
        className={classes.tiles}
        data-large={large ? true : undefined}
        data-count={Math.min(9, wanted.length)}
      >
        {shown.map((screen) => (
          <ScreenTile
            key={screen.sessionId}
            screen={screen}
            large={large === screen.sessionId}
            onLarge={large === screen.sessionId ? undefined : () => setPinned(screen.sessionId)}
          />
        ))}
        {call && (
          <People
            call={call}
            large={large}
            pinned={pinned}
            onPin={(id) => setPinned(pinned === id ? undefined : id)}
          />
        )}
      </ul>
      {call && others.length === 0 && <Alone call={call} />}
      <Controls roomId={roomId} call={call} stage={stage} />
    </section>
  );
}

interface PeopleProps {
  call: CallView;
  large: string | undefined;
  pinned: string | undefined;
  onPin: (id: string) => void;
}

function People({ call, large, pinned, onPin }: PeopleProps) {
  const act = useAct();
  const me = useSession((state) => state.me);
  const media = useOwnMedia();
  const picture = media?.track('video');
  const own = useMemo(() => (picture ? new MediaStream([picture]) : undefined), [picture]);
  const others = Object.values(call.participants);
  const output = media?.choice.output;
  const few = others.length < 2 && large === undefined;
  // The large one is first, wherever it stands in the list.
  const place = (id: string) => (large === id ? { 'data-main': true } : {});
  return (
    <>
      {others.map((one) => (
        <li key={one.peerId} className={classes.place} aria-label={one.name} {...place(one.peerId)}>
          <Tile
            one={one}
            speaking={call.speaker === one.peerId}
            output={output}
            pinned={pinned === one.peerId}
            onPin={few ? undefined : () => onPin(one.peerId)}
            onAgain={() => act((calls) => calls.call.again(one.peerId))}
          />
        </li>
      ))}
      <li className={classes.place} aria-label={me?.name} data-own {...place('me')}>
        <OwnTile
          name={me?.name ?? ''}
          id={me?.user_id ?? ''}
          media={own}
          video={call.video}
          audio={call.audio}
          speaking={call.speaker === 'me'}
          recording={call.recording}
          pinned={pinned === 'me'}
        />
      </li>
    </>
  );
}

function Alone({ call }: { call: CallView }) {
  return (
    <Text className={classes.alone} role="status">
      {call.calling ? (
        call.person ? (
          <Trans>Ringing {call.person.name}…</Trans>
        ) : (
          <Trans>Ringing everybody in the room…</Trans>
        )
      ) : call.person ? (
        <Trans>Waiting for {call.person.name} to come back…</Trans>
      ) : (
        <Trans>You are alone here. Others can join from the room.</Trans>
      )}
    </Text>
  );
}

function Faults({ call }: { call: CallView }) {
  const { t, i18n } = useLingui();
  const act = useAct();
  const said = (['audio', 'video'] as const).flatMap((kind) => {
    const code = call.faults[kind];
    return code ? [{ kind, name: kind === 'audio' ? t`Microphone` : t`Camera`, code }] : [];
  });
  return said.map(({ kind, name, code }) => (
    <Alert
      key={kind}
      role="alert"
      color="orange"
      py="xs"
      m="xs"
      withCloseButton
      closeButtonLabel={t`Try again`}
      onClose={() => act((calls) => calls.call.set(kind, true))}
    >
      {name}: {explainCall(i18n, { code, detail: '' })}
    </Alert>
  ));
}

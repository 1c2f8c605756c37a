// Before a call: how one looks and sounds, with which devices, and whether the network is good for it.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, Group, Text, Title, Tooltip } from '@mantine/core';
import { IconMicrophone, IconMicrophoneOff, IconPhone, IconVideo, IconVideoOff } from '@tabler/icons-react';
import { useEffect, useMemo, useRef } from 'react';
import { useMesh, useSession } from '../../app/mesh';
import { LevelMeter } from '../../lib/call/level';
import type { CallView } from '../../state/callStore';
import { Avatar } from '../../ui/Avatar';
import { Problem } from '../../ui/Problem';
import classes from './call.module.css';
import { DevicePicker } from './DevicePicker';
import { Media } from './Media';
import { explainCall } from './sentences';
import { useAct, useCalls } from './useCalls';
import { useOwnMedia } from './useOwnMedia';
import { Verdict } from './Verdict';

export function PreJoin({ call }: { call: CallView }) {
  const { t, i18n } = useLingui();
  const mesh = useMesh();
  const act = useAct();
  const me = useSession((state) => state.me);
  const media = useOwnMedia();
  const running = useCalls((state) => state.rooms[call.roomId]?.sessionId === call.sessionId);
  const room = mesh.rooms.getState().rooms[call.roomId]?.name ?? '';
  const picture = media?.track('video');
  const stream = useMemo(() => (picture ? new MediaStream([picture]) : undefined), [picture]);
  const { audio, video, faults, person } = call;
  const set = (kind: 'audio' | 'video', on: boolean) => act((calls) => calls.call.set(kind, on));
  const fault = (kind: 'audio' | 'video', name: string) =>
    faults[kind] && `${name}: ${explainCall(i18n, { code: faults[kind], detail: '' })}`;
  return (
    <section className={classes.layer} aria-label={t`Before the call`}>
      <div className={classes.prejoin}>
        <Title order={1} size="h3">
          {person ? (
            <Trans>Call {person.name}</Trans>
          ) : running ? (
            <Trans>Join the call in {room}</Trans>
          ) : (
            <Trans>Call everybody in {room}</Trans>
          )}
        </Title>
        <div className={classes.prejoinBody}>
          <div className={classes.mirror}>
            <Media media={stream} label={t`Your own picture`} muted mirrored hidden={!video} />
            {!video && (
              <div className={classes.faceless}>
                <Avatar name={me?.name ?? ''} id={me?.user_id ?? ''} size={88} />
              </div>
            )}
            <div className={classes.mirrorActs}>
              <Toggle
                on={audio}
                name={audio ? t`Turn the microphone off` : t`Turn the microphone on`}
                icon={audio ? <IconMicrophone size={20} /> : <IconMicrophoneOff size={20} />}
                onClick={() => set('audio', !audio)}
              />
              <Toggle
                on={video}
                name={video ? t`Turn the camera off` : t`Turn the camera on`}
                icon={video ? <IconVideo size={20} /> : <IconVideoOff size={20} />}
                onClick={() => set('video', !video)}
              />
            </div>
          </div>
          <div className={classes.prejoinSide}>
            <Level track={audio ? media?.track('audio') : undefined} />
            {media && <DevicePicker media={media} />}
            <Verdict />
          </div>
        </div>
        <Problem>{fault('audio', t`Microphone`)}</Problem>
        <Problem>{fault('video', t`Camera`)}</Problem>
        {(faults.audio || faults.video) && (
          <Text size="sm" c="dimmed">
            <Trans>You can join all the same: you see and hear the others.</Trans>
          </Text>
        )}
        <Group justify="space-between" className={classes.prejoinActs}>
          <Button variant="default" onClick={() => act((calls) => calls.call.leave())}>
            <Trans>Cancel</Trans>
          </Button>
          <Button
            leftSection={<IconPhone size={16} />}
            onClick={() => act((calls) => void calls.call.join())}
          >
            {running ? (
              <Trans>Join</Trans>
            ) : person ? (
              <Trans context="verb">Call</Trans>
            ) : (
              <Trans>Ring everybody</Trans>
            )}
          </Button>
        </Group>
      </div>
    </section>
  );
}

function Toggle(props: { on: boolean; name: string; icon: React.ReactNode; onClick: () => void }) {
  const { on, name, icon, onClick } = props;
  return (
    <Tooltip label={name}>
      <ActionIcon
        size={44}
        radius="xl"
        variant="filled"
        color={on ? 'dark' : 'red'}
        aria-label={name}
        onClick={onClick}
      >
        {icon}
      </ActionIcon>
    </Tooltip>
  );
}

/** A bar that moves with the voice. */
function Level({ track }: { track: MediaStreamTrack | undefined }) {
  const { t } = useLingui();
  const bar = useRef<HTMLMeterElement>(null);
  useEffect(() => {
    if (!track || typeof AudioContext === 'undefined') return;
    const meter = new LevelMeter(track);
    const timer = window.setInterval(() => {
      const level = Math.min(100, Math.round(meter.read() * 300));
      bar.current?.style.setProperty('--level', `${level}%`);
      bar.current?.setAttribute('value', String(level));
    }, 100);
    return () => {
      window.clearInterval(timer);
      meter.close();
    };
  }, [track]);
  return (
    <div>
      <Text size="sm" fw={540} mb={4} aria-hidden="true">
        <Trans>Level of the microphone</Trans>
      </Text>
      <meter
        ref={bar}
        className={classes.level}
        aria-label={t`Level of the microphone`}
        min={0}
        max={100}
        value={0}
        data-off={track ? undefined : true}
      />
    </div>
  );
}

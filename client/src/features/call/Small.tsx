// The call while one does something else: a small window with what one needs most.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Text, Tooltip } from '@mantine/core';
import {
  IconArrowsDiagonal,
  IconMicrophone,
  IconMicrophoneOff,
  IconPhoneOff,
  IconScreenShareOff,
} from '@tabler/icons-react';
import { useMesh } from '../../app/mesh';
import { PageClock } from './Clock';
import classes from './call.module.css';
import { Media } from './Media';
import { Recorded } from './Recorded';
import { useAct, useCalls } from './useCalls';
import { useOwnMedia } from './useOwnMedia';

export function Small({ roomId, onLarge }: { roomId: string; onLarge: () => void }) {
  const { t } = useLingui();
  const mesh = useMesh();
  const act = useAct();
  const call = useCalls((state) => (state.call?.roomId === roomId ? state.call : undefined));
  const screens = useCalls((state) => state.screens);
  const shown = Object.values(screens).filter((one) => one.roomId === roomId && one.phase !== 'offered');
  const own = shown.filter((one) => one.mine);
  const output = useOwnMedia()?.choice.output;
  const others = Object.values(call?.participants ?? {});
  // What is shown is what one wants to see; also what is not in sight goes on being heard.
  const watched = shown.filter((one) => !one.mine && one.media);
  const main = watched.at(-1) ?? others.find((one) => one.peerId === call?.speaker) ?? others[0];
  const room = mesh.rooms.getState().rooms[roomId]?.name ?? '';
  const title = call?.person?.name ?? room;
  return (
    <section className={classes.small} aria-label={t`Call in ${room}`}>
      {main && (
        <div className={classes.smallPicture}>
          {watched.map((one) => (
            <Media
              key={one.sessionId}
              media={one.media}
              label={t`Screen of ${one.name}`}
              hidden={one !== main}
              output={output}
              className={classes.screenVideo}
            />
          ))}
          {others.map((one) => (
            <Media
              key={one.peerId}
              media={one.media}
              label={t`Picture of ${one.name}`}
              hidden={one !== main || !one.video}
              output={output}
            />
          ))}
        </div>
      )}
      <div className={classes.smallBar}>
        <div className={classes.grow}>
          <Text size="sm" fw={600} truncate>
            {title}
          </Text>
          <Text size="xs" c="dimmed" className="numbers">
            {call ? (
              <PageClock since={call.since} />
            ) : (
              own.length > 0 && <Trans>You show a screen here.</Trans>
            )}
          </Text>
          <Recorded call={call} screens={shown} />
        </div>
        {call && (
          <ActionIcon
            size="lg"
            variant={call.audio ? 'subtle' : 'filled'}
            color={call.audio ? 'gray' : 'red'}
            aria-label={call.audio ? t`Turn the microphone off` : t`Turn the microphone on`}
            onClick={() => act((calls) => calls.call.set('audio', !call.audio))}
          >
            {call.audio ? <IconMicrophone size={18} /> : <IconMicrophoneOff size={18} />}
          </ActionIcon>
        )}
        {own.length > 0 && (
          <Tooltip label={t`Stop showing`}>
            <ActionIcon
              size="lg"
              variant="filled"
              color="red"
              aria-label={t`Stop showing`}
              onClick={() => act((calls) => own.forEach((one) => void calls.screens.stop(one.sessionId)))}
            >
              <IconScreenShareOff size={18} />
            </ActionIcon>
          </Tooltip>
        )}
        <Tooltip label={t`Make the call large`}>
          <ActionIcon size="lg" aria-label={t`Make the call large`} onClick={onLarge}>
            <IconArrowsDiagonal size={18} />
          </ActionIcon>
        </Tooltip>
        {call && (
          <ActionIcon
            size="lg"
            variant="filled"
            color="red"
            aria-label={t`Leave the call`}
            onClick={() => act((calls) => calls.leave())}
          >
            <IconPhoneOff size={18} />
          </ActionIcon>
        )}
      </div>
    </section>
  );
}

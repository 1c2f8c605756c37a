// One person of a call: the picture or the initials, the name, and what is the case with them.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, Loader, Text, Tooltip } from '@mantine/core';
import { IconMicrophoneOff, IconPin, IconPinnedOff, IconPlayerRecordFilled } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { Participant } from '../../state/callStore';
import { Avatar } from '../../ui/Avatar';
import classes from './call.module.css';
import { Media } from './Media';
import { PathFacts } from './PathFacts';
import { explainCall } from './sentences';

interface FrameProps {
  name: string;
  id: string;
  media: MediaStream | undefined;
  video: boolean;
  audio: boolean;
  speaking: boolean;
  recording: boolean;
  mine?: boolean;
  output?: string;
  pinned: boolean;
  onPin?: () => void;
  children?: ReactNode;
}

function TileFrame(props: FrameProps) {
  const { name, id, media, video, audio, speaking, recording, mine, output, pinned, onPin, children } = props;
  const { t } = useLingui();
  return (
    <div className={classes.tile} data-speaking={speaking || undefined}>
      <Media
        media={media}
        label={t`Picture of ${name}`}
        muted={mine}
        mirrored={mine}
        hidden={!video || !media}
        output={output}
      />
      {(!video || !media) && (
        <div className={classes.faceless}>
          <Avatar name={name} id={id} size={72} />
        </div>
      )}
      <div className={classes.nameplate}>
        {!audio && <IconMicrophoneOff size={14} aria-label={t`Microphone off`} role="img" />}
        {recording && <IconPlayerRecordFilled size={14} color="#ff6b6b" aria-label={t`Records`} role="img" />}
        <span className={classes.name}>{mine ? t`${name} (you)` : name}</span>
      </div>
      {onPin && (
        <Tooltip label={pinned ? t`Unpin ${name}` : t`Keep ${name} large`}>
          <ActionIcon
            className={classes.pin}
            variant="filled"
            color="dark"
            aria-pressed={pinned}
            aria-label={pinned ? t`Unpin ${name}` : t`Keep ${name} large`}
            onClick={onPin}
          >
            {pinned ? <IconPinnedOff size={16} /> : <IconPin size={16} />}
          </ActionIcon>
        </Tooltip>
      )}
      {children}
    </div>
  );
}

export function OwnTile(props: Omit<FrameProps, 'mine'>) {
  return <TileFrame {...props} mine />;
}

interface Props {
  one: Participant;
  speaking: boolean;
  output?: string;
  pinned: boolean;
  onPin?: () => void;
  onAgain: () => void;
}

export function Tile({ one, speaking, output, pinned, onPin, onAgain }: Props) {
  const { i18n } = useLingui();
  const { name, userId, media, audio, video, recording, phase } = one;
  return (
    <TileFrame
      name={name}
      id={userId}
      media={media}
      video={video}
      audio={audio || phase === 'connecting'}
      speaking={speaking}
      recording={recording}
      output={output}
      pinned={pinned}
      onPin={onPin}
    >
      {phase === 'live' && <PathFacts path={one.path} loss={one.loss} rate={one.rate} />}
      {(phase === 'connecting' || phase === 'reconnecting') && (
        <div className={classes.over} role="status">
          <Loader size="sm" color="white" aria-hidden="true" />
          <Text size="sm">
            {phase === 'connecting' ? <Trans>Connecting…</Trans> : <Trans>Reconnecting…</Trans>}
          </Text>
        </div>
      )}
      {phase === 'lost' && (
        <div className={classes.over} role="alert">
          <Text size="sm" ta="center" maw={320}>
            {explainCall(i18n, one.end ?? { code: 'CONNECTION', detail: '' })}
          </Text>
          <Button size="xs" variant="white" color="dark" onClick={onAgain}>
            <Trans>Try again</Trans>
          </Button>
        </div>
      )}
    </TileFrame>
  );
}

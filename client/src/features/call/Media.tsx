// A stream that is seen and heard. What the browser keeps silent until the page is touched is offered as a button.

import { Trans } from '@lingui/react/macro';
import { Button } from '@mantine/core';
import { IconVolume } from '@tabler/icons-react';
import { type CSSProperties, type Ref, useEffect, useImperativeHandle, useRef, useState } from 'react';
import classes from './call.module.css';

interface Props {
  media: MediaStream | undefined;
  label: string;
  muted?: boolean;
  mirrored?: boolean;
  hidden?: boolean;
  output?: string;
  className?: string;
  style?: CSSProperties;
  ref?: Ref<HTMLVideoElement>;
}

export function Media({ media, label, muted, mirrored, hidden, output, className, style, ref }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const [silent, setSilent] = useState(false);
  useImperativeHandle(ref, () => video.current as HTMLVideoElement, []);

  useEffect(() => {
    const element = video.current;
    if (!element || element.srcObject === (media ?? null)) return;
    element.srcObject = media ?? null;
    if (media)
      element.play().catch((error: unknown) => {
        if (error instanceof DOMException && error.name === 'NotAllowedError') setSilent(true);
      });
  }, [media]);

  useEffect(() => {
    const element = video.current;
    if (!element || !('setSinkId' in element) || muted) return;
    element.setSinkId(output ?? '').catch((error) => console.debug('output not changed', error));
  }, [output, muted]);

  return (
    <>
      <video
        ref={video}
        className={className ?? classes.video}
        style={style}
        aria-label={label}
        data-mirrored={mirrored || undefined}
        data-hidden={hidden || undefined}
        autoPlay
        playsInline
        muted={muted}
      >
        <track kind="captions" />
      </video>
      {silent && (
        <Button
          size="xs"
          className={classes.unmute}
          leftSection={<IconVolume size={16} />}
          onClick={() => {
            setSilent(false);
            void video.current?.play();
          }}
        >
          <Trans>Turn on the sound</Trans>
        </Button>
      )}
    </>
  );
}

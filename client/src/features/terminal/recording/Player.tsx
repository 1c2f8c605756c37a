// A recording of a terminal, played: on xterm, which is here anyway, with everything that is refused to a live terminal.

import { Plural, Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Loader, SegmentedControl, Slider, Text } from '@mantine/core';
import { IconPlayerPause, IconPlayerPlay, IconPlayerSkipForward } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import type { Cast } from '../../../lib/asciicast';
import { CastPlayer, type PlayerState } from '../../../lib/castPlayer';
import { CastView } from '../../../lib/castView';
import { LinkDialog } from '../LinkDialog';
import classes from './recording.module.css';

const SPEEDS = [1, 2, 4];

export function Player({ cast }: { cast: Cast }) {
  const { t, i18n } = useLingui();
  const stage = useRef<HTMLDivElement>(null);
  const [player, setPlayer] = useState<CastPlayer>();
  const [state, setState] = useState<PlayerState>({
    playing: false,
    position: 0,
    speed: 1,
    marker: undefined,
  });
  const [link, setLink] = useState<string>();
  const markers = cast.events.filter((event) => event.kind === 'marker');

  useEffect(() => {
    const container = stage.current;
    if (!container) return;
    const view = new CastView(container, setLink);
    const observer = new ResizeObserver(() => view.fit());
    let over = false;
    void view.open(cast).then(() => {
      if (over) return;
      observer.observe(container);
      const made = new CastPlayer(cast, view);
      made.play(performance.now());
      setPlayer(made);
      setState(made.state);
    });
    return () => {
      over = true;
      observer.disconnect();
      view.dispose();
    };
  }, [cast]);

  useEffect(() => {
    if (!player || !state.playing) return;
    let frame = requestAnimationFrame(function draw(now) {
      player.tick(now);
      setState(player.state);
      if (player.state.playing) frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, [player, state.playing]);

  function act(run: (player: CastPlayer) => void) {
    if (!player) return;
    run(player);
    setState(player.state);
  }

  const next = markers.find((marker) => marker.at > state.position);
  const at = timeOf(state.position);
  const whole = timeOf(cast.duration);
  return (
    <section className={classes.player} aria-label={t`Recording`}>
      <div className={classes.facts}>
        {cast.title !== '' && (
          <Text span size="sm" fw={580} truncate>
            {cast.title}
          </Text>
        )}
        {cast.recordedAt !== undefined && (
          <Text span size="xs" c="dimmed">
            {i18n.date(new Date(cast.recordedAt * 1000), { dateStyle: 'medium', timeStyle: 'short' })}
          </Text>
        )}
        {markers.length > 0 && (
          <Text span size="xs" c="dimmed">
            <Plural value={markers.length} one="# marker" other="# markers" />
          </Text>
        )}
      </div>
      <div className={classes.stage} ref={stage} data-testid="recording-screen">
        {!player && <Loader size="sm" aria-label={t`Loading`} />}
      </div>
      <p className={classes.marker} role="status">
        {state.marker !== undefined && <MarkerText label={state.marker} />}
      </p>
      <div className={classes.controls}>
        <ActionIcon
          size={44}
          variant="filled"
          color="lagoon"
          aria-label={state.playing ? t`Pause` : t`Play`}
          disabled={!player}
          onClick={() => act((one) => (state.playing ? one.pause() : one.play(performance.now())))}
        >
          {state.playing ? <IconPlayerPause size={20} /> : <IconPlayerPlay size={20} />}
        </ActionIcon>
        <Slider
          className={classes.line}
          size="sm"
          min={0}
          max={Math.max(cast.duration, 0.1)}
          step={0.1}
          label={timeOf}
          thumbLabel={t`Moment`}
          thumbProps={{ 'aria-valuetext': t`${at} of ${whole}` }}
          marks={markers.map(({ at: value }) => ({ value }))}
          value={state.position}
          disabled={!player}
          onChange={(position) => act((one) => one.seek(position))}
        />
        <Text span size="xs" className="numbers">
          {at} / {whole}
        </Text>
        {markers.length > 0 && (
          <ActionIcon
            size={44}
            variant="default"
            aria-label={t`To the next marker`}
            disabled={!next}
            onClick={() => next && act((one) => one.seek(next.at))}
          >
            <IconPlayerSkipForward size={20} />
          </ActionIcon>
        )}
        <SegmentedControl
          size="xs"
          aria-label={t`Speed`}
          value={String(state.speed)}
          data={SPEEDS.map((speed) => ({ value: String(speed), label: `${speed}×` }))}
          onChange={(speed) => act((one) => one.setSpeed(Number(speed)))}
        />
      </div>
      {link && <LinkDialog address={link} onClose={() => setLink(undefined)} />}
    </section>
  );
}

/** The host marks where its owner paused the sharing; other marks have words of their own. */
function MarkerText({ label }: { label: string }) {
  if (label === 'paused') return <Trans>Its owner paused the sharing here.</Trans>;
  if (label === 'resumed') return <Trans>Its owner went on with the sharing here.</Trans>;
  return label === '' ? <Trans>Stopped at a marker.</Trans> : <Trans>Stopped at a marker: {label}</Trans>;
}

function timeOf(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

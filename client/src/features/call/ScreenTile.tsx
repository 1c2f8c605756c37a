// A screen that is shown: looked at closely, pointed at, and with who watches it.

import { Trans, useLingui } from '@lingui/react/macro';
import { ActionIcon, Button, Loader, Text, Tooltip } from '@mantine/core';
import {
  IconArrowsDiagonal,
  IconEye,
  IconPlayerStop,
  IconPointer,
  IconX,
  IconZoomIn,
  IconZoomOut,
  IconZoomReset,
} from '@tabler/icons-react';
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from 'react';
import { fitted, panBy, pictureAt, WHOLE, type Zoom, zoomAt } from '../../lib/call/zoom';
import type { ScreenView } from '../../state/callStore';
import { POINTER_RANGE } from '../../state/screenActions';
import { PathBadge } from '../../ui/PathBadge';
import classes from './call.module.css';
import { Media } from './Media';
import { explainCall } from './sentences';
import { useAct } from './useCalls';

const STEP = 1.4;
const POINT_EVERY_MS = 50;

interface Props {
  screen: ScreenView;
  large: boolean;
  /** Makes it the large one; undefined where there is nothing to choose from. */
  onLarge?: () => void;
}

export function ScreenTile({ screen, large, onLarge }: Props) {
  const { t, i18n } = useLingui();
  const act = useAct();
  const box = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [zoom, setZoom] = useState<Zoom>(WHOLE);
  const [pointing, setPointing] = useState(false);
  const size = usePictureSize(video, box);
  const { sessionId, name, mine, phase, mode, media, viewers, pointers } = screen;
  const said = useRef(0);
  const held = useRef(new Map<number, { x: number; y: number }>());

  const place = (event: { clientX: number; clientY: number }) => {
    const area = box.current?.getBoundingClientRect();
    if (!area) return { x: 0.5, y: 0.5 };
    return { x: (event.clientX - area.left) / area.width, y: (event.clientY - area.top) / area.height };
  };

  function point(event: PointerEvent) {
    if (!pointing || mine || !size || performance.now() - said.current < POINT_EVERY_MS) return;
    said.current = performance.now();
    const at = pictureAt(size.box, size.picture, zoom, place(event));
    const scaled = at && { x: Math.round(at.x * POINTER_RANGE), y: Math.round(at.y * POINTER_RANGE) };
    act((calls) => calls.screens.point(sessionId, scaled));
  }

  function move(event: PointerEvent) {
    point(event);
    const before = held.current.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    const [other] = [...held.current].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    held.current.set(event.pointerId, now);
    if (!other) {
      setZoom((zoomed) => panBy(zoomed, now.x - before.x, now.y - before.y));
      return;
    }
    // Two fingers: what is between them grows with their distance.
    const far = (a: typeof now, b: typeof now) => Math.hypot(a.x - b.x, a.y - b.y);
    const middle = { x: (now.x + other.x) / 2 - 0.5, y: (now.y + other.y) / 2 - 0.5 };
    setZoom((zoomed) => zoomAt(zoomed, far(now, other) / (far(before, other) || 1), middle));
  }

  // React listens to the wheel passively, and the page would scroll or zoom along.
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const area = element.getBoundingClientRect();
      const at = {
        x: (event.clientX - area.left) / area.width - 0.5,
        y: (event.clientY - area.top) / area.height - 0.5,
      };
      setZoom((zoomed) => zoomAt(zoomed, Math.exp(-event.deltaY / 400), at));
    };
    element.addEventListener('wheel', wheel, { passive: false });
    return () => element.removeEventListener('wheel', wheel);
  }, []);

  function onKey(event: KeyboardEvent) {
    const by: Record<string, [number, number]> = {
      ArrowLeft: [0.1, 0],
      ArrowRight: [-0.1, 0],
      ArrowUp: [0, 0.1],
      ArrowDown: [0, -0.1],
    };
    const step = by[event.key];
    if (step) setZoom((zoomed) => panBy(zoomed, ...step));
    else if (event.key === '+') setZoom((zoomed) => zoomAt(zoomed, STEP));
    else if (event.key === '-') setZoom((zoomed) => zoomAt(zoomed, 1 / STEP));
    else if (event.key === '0') setZoom(WHOLE);
    else return;
    event.preventDefault();
  }

  const watching = viewers.map((viewer) => viewer.name).join(', ');
  const title = mine ? t`Your screen` : t`Screen of ${name}`;
  return (
    <li className={classes.place} data-main={large || undefined} data-screen>
      <section className={classes.screen} aria-label={title}>
        {/* biome-ignore lint/a11y/useSemanticElements: a picture that is moved by keys has no element of its own */}
        <div
          ref={box}
          className={classes.screenBox}
          role="group"
          aria-label={t`Arrow keys move, plus and minus zoom`}
          tabIndex={0}
          data-zoomed={zoom.scale > 1 || undefined}
          onKeyDown={onKey}
          onPointerDown={(event) => {
            held.current.set(event.pointerId, place(event));
            event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerMove={move}
          onPointerUp={(event) => held.current.delete(event.pointerId)}
          onPointerCancel={(event) => held.current.delete(event.pointerId)}
          onPointerLeave={() => pointing && act((calls) => calls.screens.point(sessionId))}
        >
          <div
            className={classes.zoomed}
            data-scale={zoom.scale.toFixed(2)}
            style={{
              transform: `translate(${zoom.x * 100}%, ${zoom.y * 100}%) scale(${zoom.scale})`,
            }}
          >
            <Media ref={video} media={media} label={title} muted={mine} className={classes.screenVideo} />
            {size &&
              Object.entries(pointers).map(([peer, at]) => {
                const area = fitted(size.box, size.picture);
                const left = area.left + (at.x / POINTER_RANGE) * area.width;
                const top = area.top + (at.y / POINTER_RANGE) * area.height;
                return (
                  <div
                    key={peer}
                    className={classes.pointer}
                    style={{ left, top, scale: String(1 / zoom.scale) }}
                  >
                    <IconPointer size={20} fill="currentColor" aria-hidden="true" />
                    <span>{at.name}</span>
                  </div>
                );
              })}
          </div>
        </div>
        {phase !== 'live' && (
          <div className={classes.over} role={phase === 'ended' ? 'alert' : 'status'}>
            {phase === 'ended' ? (
              <Text size="sm" ta="center" maw={340}>
                {explainCall(i18n, screen.end ?? { code: 'CONNECTION', detail: '' })}
              </Text>
            ) : (
              <>
                <Loader size="sm" color="white" aria-hidden="true" />
                <Text size="sm">
                  <Trans>Connecting…</Trans>
                </Text>
              </>
            )}
          </div>
        )}
        <div className={classes.screenBar}>
          <span className={classes.name}>{title}</span>
          {watching && (
            <Tooltip label={watching}>
              <span className={classes.watchers}>
                <IconEye size={14} role="img" aria-label={t`Watched by ${watching}`} />
                {/* Where there is no pointer to rest on it, few names are read as they are. */}
                <span className={classes.name}>{viewers.length > 2 ? viewers.length : watching}</span>
              </span>
            </Tooltip>
          )}
          {screen.path && <PathBadge path={screen.path} />}
          <span className={classes.grow} />
          {mine && (
            <Button
              size="compact-xs"
              variant="white"
              color="dark"
              onClick={() =>
                act((calls) => calls.screens.setMode(sessionId, mode === 'detail' ? 'motion' : 'detail'))
              }
            >
              {mode === 'detail' ? <Trans>Make it smooth</Trans> : <Trans>Make letters sharp</Trans>}
            </Button>
          )}
          {onLarge && (
            <Tool name={t`Make this screen large`} onClick={onLarge}>
              <IconArrowsDiagonal size={16} />
            </Tool>
          )}
          {!mine && phase === 'live' && (
            <Tool
              name={pointing ? t`Stop pointing` : t`Point at it`}
              pressed={pointing}
              onClick={() => {
                if (pointing) act((calls) => calls.screens.point(sessionId));
                setPointing(!pointing);
              }}
            >
              <IconPointer size={16} />
            </Tool>
          )}
          <Tool name={t`Smaller`} onClick={() => setZoom(zoomAt(zoom, 1 / STEP))}>
            <IconZoomOut size={16} />
          </Tool>
          <Tool name={t`Larger`} onClick={() => setZoom(zoomAt(zoom, STEP))}>
            <IconZoomIn size={16} />
          </Tool>
          <Tool name={t`Show all of it`} onClick={() => setZoom(WHOLE)}>
            <IconZoomReset size={16} />
          </Tool>
          <Tool
            name={mine ? t`Stop showing this screen` : t`Stop watching`}
            onClick={() => act((calls) => calls.screens.stop(sessionId))}
          >
            {mine ? <IconPlayerStop size={16} /> : <IconX size={16} />}
          </Tool>
        </div>
      </section>
    </li>
  );
}

interface ToolProps {
  name: string;
  pressed?: boolean;
  onClick: () => void;
  children: React.ReactNode;
}

function Tool({ name, pressed, onClick, children }: ToolProps) {
  return (
    <Tooltip label={name}>
      <ActionIcon
        variant="filled"
        color={pressed ? 'lagoon' : 'dark'}
        aria-label={name}
        aria-pressed={pressed}
        onClick={onClick}
      >
        {children}
      </ActionIcon>
    </Tooltip>
  );
}

/** The picture's own size, and the box's, as they change. */
function usePictureSize(
  video: React.RefObject<HTMLVideoElement | null>,
  box: React.RefObject<HTMLDivElement | null>,
) {
  const [size, setSize] = useState<{ box: DOMRect; picture: { width: number; height: number } }>();
  useEffect(() => {
    const picture = video.current;
    const element = box.current;
    if (!picture || !element) return;
    const read = () => {
      if (picture.videoWidth > 0)
        setSize({
          box: element.getBoundingClientRect(),
          picture: { width: picture.videoWidth, height: picture.videoHeight },
        });
    };
    const observer = new ResizeObserver(read);
    observer.observe(element);
    picture.addEventListener('resize', read);
    read();
    return () => {
      observer.disconnect();
      picture.removeEventListener('resize', read);
    };
  }, [video, box]);
  return size;
}

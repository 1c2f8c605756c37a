import { Trans } from '@lingui/react/macro';
import { useEffect, useState } from 'react';
import type { RoomView } from '../../state/roomStore';
import classes from './chat.module.css';

export function Typing({ room, typing }: { room: RoomView; typing: Record<string, number> }) {
  const [now, setNow] = useState(() => Date.now());
  const next = Math.min(...Object.values(typing).filter((until) => until > now));
  useEffect(() => {
    setNow(Date.now());
    if (!Number.isFinite(next)) return;
    const timer = window.setTimeout(() => setNow(Date.now()), Math.max(0, next - Date.now()) + 50);
    return () => window.clearTimeout(timer);
  }, [next]);

  const names = [
    ...new Set(
      Object.entries(typing)
        .filter(([, until]) => until > now)
        .flatMap(([peerId]) => room.peers[peerId]?.name ?? []),
    ),
  ];
  const [first, second] = names;
  return (
    <div className={classes.typing} aria-live="polite">
      {names.length === 1 && <Trans>{first} is writing…</Trans>}
      {names.length === 2 && (
        <Trans>
          {first} and {second} are writing…
        </Trans>
      )}
      {names.length > 2 && <Trans>Several people are writing…</Trans>}
    </div>
  );
}

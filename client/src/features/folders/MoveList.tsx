// Files on their way out of a shared folder and into it.

import { Trans, useLingui } from '@lingui/react/macro';
import { Progress, Text } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { explain } from '../../app/failures';
import type { Sink } from '../../lib/transfer/sink';
import type { Share } from '../../protocol/generated/Share';
import type { FolderDeps } from './folderLink';
import classes from './folders.module.css';
import { type Move, pull, put } from './moves';

type Named = Move & { id: number; name: string };

export function useMoves() {
  const [moves, setMoves] = useState<Named[]>([]);
  const next = useRef(0);
  const stops = useRef<(() => void)[]>([]);
  // They belong to the window that shows them.
  useEffect(
    () => () => {
      for (const stop of stops.current) stop();
    },
    [],
  );
  const begin = (name: string, size: number, run: (show: (change: Partial<Move>) => void) => () => void) => {
    const id = next.current++;
    setMoves((all) => [...all, { id, name, moved: 0, size, phase: 'preparing' }]);
    const show = (change: Partial<Move>) =>
      setMoves((all) => all.map((one) => (one.id === id ? { ...one, ...change } : one)));
    stops.current.push(run(show));
  };
  return {
    moves,
    pull: (deps: FolderDeps, roomId: string, share: Share, paths: string[], sink: Sink, name: string) =>
      begin(name, 0, (show) => pull(deps, roomId, share, paths, sink, show)),
    put: (deps: FolderDeps, roomId: string, share: Share, path: string, files: File[]) => {
      const [first, ...others] = files;
      if (!first) return;
      const name = others.length > 0 ? `${first.name} (+${others.length})` : first.name;
      begin(name, 0, (show) => put(deps, roomId, share, path, files, show));
    },
  };
}

export function MoveList({ moves }: { moves: Named[] }) {
  const { t, i18n } = useLingui();
  if (moves.length === 0) return null;
  return (
    <ul className={classes.list} aria-label={t`Transfers of this folder`}>
      {moves.map(({ id, name, phase, moved, size, hash, failure }) => (
        <li key={id} aria-label={name}>
          <Text size="sm" className={classes.name}>
            {name}
          </Text>
          {(phase === 'preparing' || phase === 'moving') && (
            <Progress value={size > 0 ? (100 * moved) / size : 0} aria-label={t`Progress of ${name}`} />
          )}
          <Text size="xs" c="dimmed" role="status" data-testid="folder-move" data-hash={hash}>
            {phase === 'preparing' && <Trans>Preparing…</Trans>}
            {phase === 'done' && <Trans>BLAKE3 verified</Trans>}
            {phase === 'failed' && failure && explain(i18n, failure)}
          </Text>
        </li>
      ))}
    </ul>
  );
}

// Files out of a shared folder and into one: the drivers of lib/transfer over a session in the folder.

import { createHashWorkers, type HashPort } from '../../lib/transfer/hashPort';
import { Incoming } from '../../lib/transfer/incoming';
import { Outgoing, prepare } from '../../lib/transfer/outgoing';
import type { Sink } from '../../lib/transfer/sink';
import type { Share } from '../../protocol/generated/Share';
import { type Failure, type FolderDeps, FolderLink } from './folderLink';

/** The owner says BYE after the last file; should it vanish first, the files are there all the same. */
const LAST_WORD_MS = 2_000;

export interface Move {
  moved: number;
  size: number;
  phase: 'preparing' | 'moving' | 'done' | 'failed';
  /** BLAKE3 of the last file that stands. */
  hash?: string;
  failure?: Failure;
}

type Show = (change: Partial<Move>) => void;

let worker: HashPort | undefined;
function hashPort(): HashPort {
  worker ??= createHashWorkers();
  return worker;
}

/** Takes what the paths mean. Returns what calls it off. */
export function pull(
  deps: FolderDeps,
  roomId: string,
  share: Share,
  paths: string[],
  sink: Sink,
  show: Show,
): () => void {
  let incoming: Incoming | undefined;
  let done = false;
  const failed = (failure: Failure) => {
    void incoming?.stop(true);
    show(done ? { phase: 'done' } : { phase: 'failed', failure });
  };
  const purpose = { act: 'pull', paths, path: undefined, size: undefined, count: undefined };
  const link = new FolderLink(deps, roomId, share, purpose, {
    opened: ({ size }) => {
      show({ size });
      incoming = new Incoming(link.sessionId, size, () => true, sink, hashPort(), {
        send: (frame) => link.send(frame),
        manifest: () => show({ phase: 'moving' }),
        progress: (moved) => show({ moved }),
        paused: () => {},
        fileDone: (_, hash) => show({ hash }),
        done: () => {
          done = true;
          show({ phase: 'done', moved: size });
          window.setTimeout(() => link.close(), LAST_WORD_MS);
        },
        fault: ({ code, message }) => {
          failed({ code, detail: message });
          link.close(code);
        },
      });
    },
    frame: (frame) => incoming?.frame(frame),
    end: failed,
  });
  return () => {
    void incoming?.stop(false);
    link.close('CANCELLED');
  };
}

/** Puts files into a folder. Returns what calls it off. */
export function put(
  deps: FolderDeps,
  roomId: string,
  share: Share,
  path: string,
  chosen: readonly File[],
  show: Show,
): () => void {
  const files = chosen.map((content) => ({ path: content.name, content }));
  const size = chosen.reduce((sum, file) => sum + file.size, 0);
  let done = false;
  const hashed = prepare(files, hashPort(), (moved) => show({ moved }));
  const outgoing = new Outgoing(files, hashed, {
    send: (frame) => link.send(frame),
    writable: () => link.writable(),
    wanted: () => show({ phase: 'moving' }),
    paused: () => {},
    manifest: (list) => show({ hash: list.at(-1)?.hash ?? '' }),
    progress: (moved) => show({ moved }),
    fileDone: () => {},
    done: () => {
      done = true;
      show({ phase: 'done', moved: size });
      link.close();
    },
    fault: ({ code, message }) => {
      failed({ code, detail: message });
      link.close(code);
    },
  });
  const failed = (failure: Failure) => {
    outgoing.stop();
    if (!done) show({ phase: 'failed', failure });
  };
  const purpose = { act: 'put', path, size, count: files.length, paths: undefined };
  const link = new FolderLink(deps, roomId, share, purpose, {
    opened: () => void outgoing.start(),
    frame: (frame) => outgoing.frame(frame),
    end: failed,
  });
  show({ size });
  return () => {
    outgoing.stop();
    link.close('CANCELLED');
  };
}

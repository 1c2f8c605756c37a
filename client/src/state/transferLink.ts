// The direct connection of one transfer, and what of its progress is shown.

import { RateMeter } from '../lib/rate';
import type { PeerLink } from '../lib/rtc';
import type { Incoming } from '../lib/transfer/incoming';
import type { Outgoing } from '../lib/transfer/outgoing';
import type { Frame } from '../protocol/frames';
import { failureOf, linkFor, type Opening } from './sessions';
import type { TransferDeps } from './transferActions';
import { patchTransfer, type TransferView } from './transferStore';

/** The screen is told of progress at most this often: each time costs the processor what moves the file. */
const SHOW_EVERY_MS = 250;

/** What belongs to a transfer that is not over. */
export interface Live {
  link?: PeerLink;
  incoming?: Incoming;
  outgoing?: Outgoing;
  unregister: () => void;
  /** What happens when nobody does anything. */
  timer?: number;
}

type Failure = { code: string; detail: string };

export function transferLink(
  { socket, verify, store }: Pick<TransferDeps, 'socket' | 'verify' | 'store'>,
  { sessionId, roomId, peerId }: TransferView,
  self: string,
  opening: Opening,
  on: {
    open: () => void;
    frame: (frame: Frame) => void;
    end: (why: Failure) => void;
    refused: (why: Failure) => void;
  },
): PeerLink {
  const refused = (error: Error) => {
    if (store.getState().transfers[sessionId]?.phase === 'connecting') on.refused(failureOf(error));
  };
  const session = { feature: 'file' as const, roomId, sessionId, self, remote: peerId };
  return linkFor({ socket, verify }, session, opening, refused, {
    onOpen: on.open,
    onFrame: on.frame,
    onPath: (path) => patchTransfer(store, sessionId, { path }),
    onEnd: ({ code, detail }) => on.end({ code: code === 'DONE' ? 'CONNECTION' : code, detail }),
  });
}

/** Takes positions, shows some of them with the rate of the last seconds. */
export function progressMeter({ store }: Pick<TransferDeps, 'store'>, sessionId: string) {
  const meter = new RateMeter();
  let shownAt = 0;
  return (moved: number) => {
    const now = performance.now();
    const size = store.getState().transfers[sessionId]?.size ?? 0;
    if (now - shownAt < SHOW_EVERY_MS && moved < size) return;
    shownAt = now;
    patchTransfer(store, sessionId, { moved, rate: meter.add(moved, now) });
  };
}

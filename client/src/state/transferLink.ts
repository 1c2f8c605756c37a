// The direct connection of one transfer, and what of its progress is shown.

import { RateMeter } from '../lib/rate';
import { PeerLink } from '../lib/rtc';
import type { Incoming } from '../lib/transfer/incoming';
import type { Outgoing } from '../lib/transfer/outgoing';
import type { Frame } from '../protocol/frames';
import { failureOf, type Opening } from './sessions';
import type { TransferDeps } from './transferActions';
import { patchTransfer, type TransferView } from './transferStore';

/** The screen is told of progress at most this often. */
const SHOW_EVERY_MS = 120;
const FEATURE = 'file' as const;

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

export function linkFor(
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
  const party = { room_id: roomId, target: peerId, session_id: sessionId, feature: FEATURE };
  const refused = (error: Error) => {
    if (store.getState().transfers[sessionId]?.phase === 'connecting') on.refused(failureOf(error));
  };
  return new PeerLink({
    feature: FEATURE,
    roomId,
    sessionId,
    self,
    remote: peerId,
    identity: opening.identity,
    iceServers: opening.ice,
    capability: opening.token,
    verify,
    signal: {
      offer: (sdp, cap_token) => socket.relay('rtc.offer', { ...party, cap_token, sdp }, refused),
      answer: (sdp, cap_token) => socket.relay('rtc.answer', { ...party, cap_token, sdp }, refused),
      candidate: (candidate, cap_token) => void socket.send('rtc.ice', { ...party, cap_token, candidate }),
    },
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

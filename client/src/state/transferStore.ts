// Transfers, incoming and outgoing, as the screens show them.

import { createStore } from 'zustand/vanilla';
import type { PathInfo } from '../lib/path';
import type { Peer } from '../protocol/signal';

type TransferPhase =
  /** Incoming: waits for this person's decision. */
  | 'offered'
  /** Outgoing: the other side is asked. */
  | 'asking'
  /** Outgoing: the files are being hashed. */
  | 'preparing'
  | 'connecting'
  | 'moving'
  /** All bytes arrived; the file is put in its place. */
  | 'saving'
  /** The connection was lost; it goes on by itself as soon as the other side is there again. */
  | 'interrupted'
  | 'done'
  | 'declined'
  | 'cancelled'
  | 'failed';

export interface TransferFile {
  path: string;
  size: number;
  /** Known once the manifest came (incoming) or was made (outgoing). */
  hash?: string;
  verified: boolean;
  /** The receiver does not want it. */
  skipped?: boolean;
}

export interface TransferView {
  sessionId: string;
  roomId: string;
  peerId: string;
  userId: string;
  deviceId?: string;
  /** Person at the other end, and the device. */
  peerName: string;
  deviceName: string;
  /** A machine is known by its own name, a page by the person's. */
  peerKind: 'page' | 'agent';
  direction: 'in' | 'out';
  name: string;
  /** Bytes that the receiver wants; all that is offered until it said so. */
  size: number;
  count: number;
  files: TransferFile[];
  phase: TransferPhase;
  moved: number;
  /** Bytes hashed so far while preparing. */
  prepared: number;
  /** Bytes per second over the last seconds. */
  rate: number;
  path?: PathInfo;
  pausedHere?: boolean;
  pausedThere?: boolean;
  /** This page sent it before it was loaded anew: the files have to be chosen again. */
  sourceLost?: boolean;
  /** An offer that nobody answered until then is withdrawn. */
  expiresAt?: number;
  error?: { code: string; detail: string };
  startedAt: number;
  /** Where an incoming file goes; decides what the card says. */
  sink?: 'disk' | 'browser' | 'memory';
}

export interface TransferState {
  transfers: Record<string, TransferView>;
}

export type TransferStore = ReturnType<typeof createTransferStore>;

export function createTransferStore() {
  return createStore<TransferState>(() => ({ transfers: {} }));
}

const OPEN: readonly TransferPhase[] = [
  'offered',
  'asking',
  'preparing',
  'connecting',
  'moving',
  'saving',
  'interrupted',
];
const BUSY: readonly TransferPhase[] = ['preparing', 'connecting', 'moving', 'saving', 'interrupted'];

export function isOpen(transfer: TransferView): boolean {
  return OPEN.includes(transfer.phase);
}

/** Something would be lost if the page were closed now. */
export function isBusy(state: TransferState): boolean {
  return Object.values(state.transfers).some((transfer) => BUSY.includes(transfer.phase));
}

export function putTransfer(store: TransferStore, transfer: TransferView): void {
  store.setState((state) => ({ transfers: { ...state.transfers, [transfer.sessionId]: transfer } }));
}

export function patchTransfer(store: TransferStore, sessionId: string, change: Partial<TransferView>): void {
  const view = store.getState().transfers[sessionId];
  if (view) putTransfer(store, { ...view, ...change });
}

export function dropTransfer(store: TransferStore, sessionId: string): void {
  store.setState((state) => {
    const { [sessionId]: _, ...transfers } = state.transfers;
    return { transfers };
  });
}

/** Who is at the other end. */
export function partOf(peer: Peer) {
  return {
    peerId: peer.peer_id,
    userId: peer.user_id,
    ...(peer.device_id === undefined ? {} : { deviceId: peer.device_id }),
    peerName: peer.name,
    deviceName: peer.device_name,
    peerKind: peer.kind,
  };
}

/** The newest first. */
export function inOrder(state: TransferState): TransferView[] {
  return Object.values(state.transfers).sort((a, b) => b.startedAt - a.startedAt);
}

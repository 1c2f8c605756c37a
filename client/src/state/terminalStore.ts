// Terminals that this page watches, as the screens show them. The bytes never pass through here: they go from the
// channel to xterm directly (lib/terminal.ts).

import { createStore } from 'zustand/vanilla';
import type { PathInfo } from '../lib/path';
import type { Question } from '../protocol/frames';
import type { Peer, Share } from '../protocol/signal';

type TerminalPhase =
  /** The other side is asked for consent. */
  | 'asking'
  /** Accepted; the direct connection is being made. */
  | 'connecting'
  | 'live'
  | 'ended';

type ControlState =
  /** Watching only. */
  | 'none'
  | 'asking'
  | 'held'
  | 'denied'
  /** It was held, and ended without being given back: taken back, or not renewed in time. */
  | 'lost';

/** Whether this page answers what the machine asks its owner. */
type Deciding = 'no' | 'asking' | 'yes' | 'denied';

export interface TerminalView {
  /** Of the view: where it is lost and comes back, it stays, while each connection is a session of its own on the wire. */
  sessionId: string;
  roomId: string;
  peerId: string;
  deviceId: string;
  deviceName: string;
  ownerName: string;
  /** Which of the machine's terminals, where one was chosen. */
  share?: { id: string; label: string };
  phase: TerminalPhase;
  /** Whether there is a screen to show, live or as it was at last. */
  seen: boolean;
  /** How often it was tried again by itself since it was last live. */
  tries: number;
  /** Why it ended: a reason or code of the protocol. */
  end?: { code: string; detail: string; exit?: number };
  cols: number;
  rows: number;
  control: ControlState;
  /** Who controls now, when it is somebody else. */
  holder?: { peerId: string; name: string };
  viewers: { peerId: string; name: string }[];
  path?: PathInfo;
  /** What the program calls its window; plain text. */
  title: string;
  /** The host shows nothing for now. */
  paused: boolean;
  /** The host keeps what viewers see. */
  recording: boolean;
  /** Whether the machine can be asked to be decided for here: it is one's own. */
  mayDecide: boolean;
  decides: Deciding;
  /** What it asks its owner, while this page decides. */
  questions: Question[];
  /** An address that somebody clicked, and that waits to be confirmed. */
  link?: string;
  openedAt: number;
}

export interface TerminalState {
  terminals: Record<string, TerminalView>;
}

export type TerminalStore = ReturnType<typeof createTerminalStore>;

export function createTerminalStore() {
  return createStore<TerminalState>(() => ({ terminals: {} }));
}

export function patchTerminal(store: TerminalStore, sessionId: string, change: Partial<TerminalView>): void {
  const view = store.getState().terminals[sessionId];
  if (!view) return;
  store.setState((state) => ({ terminals: { ...state.terminals, [sessionId]: { ...view, ...change } } }));
}

export function newTerminal(
  sessionId: string,
  roomId: string,
  machine: Pick<Peer, 'peer_id' | 'device_name' | 'name'> & { device_id?: string | undefined },
  share?: Pick<Share, 'share_id' | 'label'>,
): TerminalView {
  return {
    sessionId,
    roomId,
    peerId: machine.peer_id,
    deviceId: machine.device_id ?? '',
    deviceName: machine.device_name,
    ownerName: machine.name,
    ...(share ? { share: { id: share.share_id, label: share.label } } : {}),
    phase: 'asking',
    seen: false,
    tries: 0,
    cols: 80,
    rows: 24,
    control: 'none',
    viewers: [],
    title: '',
    paused: false,
    recording: false,
    mayDecide: false,
    decides: 'no',
    questions: [],
    openedAt: Date.now(),
  };
}

/** The machine, and which of its terminals where one was chosen. */
export function nameOf({ deviceName, ownerName, share }: TerminalView): string {
  const machine = deviceName || ownerName;
  return share ? `${machine} · ${share.label}` : machine;
}

export function putTerminal(store: TerminalStore, view: TerminalView): void {
  store.setState((state) => ({ terminals: { ...state.terminals, [view.sessionId]: view } }));
}

export function dropTerminal(store: TerminalStore, sessionId: string): void {
  store.setState((state) => {
    const { [sessionId]: _, ...terminals } = state.terminals;
    return { terminals };
  });
}

export function terminalsIn(state: TerminalState, roomId: string): TerminalView[] {
  return Object.values(state.terminals)
    .filter((terminal) => terminal.roomId === roomId)
    .sort((a, b) => a.openedAt - b.openedAt);
}

// Terminals that this page watches, as the screens show them. The bytes never pass through here: they go from the
// channel to xterm directly (lib/terminal.ts).

import { createStore } from 'zustand/vanilla';
import type { PathInfo } from '../lib/rtc';

type TerminalPhase =
  /** The other side is asked for consent. */
  | 'asking'
  /** Accepted; the direct connection is being made. */
  | 'connecting'
  | 'live'
  | 'ended';

type ControlState =
  /** Watching only. */
  'none' | 'asking' | 'held' | 'denied';

export interface TerminalView {
  sessionId: string;
  roomId: string;
  peerId: string;
  deviceName: string;
  ownerName: string;
  phase: TerminalPhase;
  /** Why it ended: a reason or code of the protocol. */
  end?: { code: string; detail: string; exit?: number };
  cols: number;
  rows: number;
  control: ControlState;
  /** Who controls now, when it is somebody else. */
  holder?: { peerId: string; name: string };
  viewers: { peerId: string; name: string }[];
  path?: PathInfo;
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

export function terminalsIn(state: TerminalState, roomId: string): TerminalView[] {
  return Object.values(state.terminals)
    .filter((terminal) => terminal.roomId === roomId)
    .sort((a, b) => a.openedAt - b.openedAt);
}

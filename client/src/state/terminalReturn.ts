// When a terminal that was lost is asked for again by itself: as soon as its machine is there, then ever more rarely.

import type { Peer } from '../protocol/signal';
import type { TerminalView } from './terminalStore';

/** Ends that nobody wanted: the machine or the way to it is away, and comes back. */
const AWAY = new Set([
  'CONNECTION',
  'gone',
  'UNROUTABLE',
  'LEASE_LAPSED',
  'HELLO_TIMEOUT',
  'OFFLINE',
  'NETWORK',
]);
const FIRST_MS = 500;
const LONGEST_MS = 30_000;
/** Some ten minutes in all. After that, somebody has to want it. */
const MOST_TRIES = 24;

export function isAway(code: string | undefined): boolean {
  return code !== undefined && AWAY.has(code);
}

/**
 * A terminal as it is. The server refuses in the same words who may not and who asks a peer that has just left: where the machine is
 * not that peer any more, it was the latter.
 */
export function asItIs(terminal: TerminalView, machine: Peer | undefined): TerminalView {
  const left = terminal.end?.code === 'CAP_NOT_ALLOWED' && machine?.peer_id !== terminal.peerId;
  return left ? { ...terminal, end: { code: 'UNROUTABLE', detail: '' } } : terminal;
}

/** How long to wait before the next try; nothing where there shall be none. */
export function waitBefore(tries: number): number | undefined {
  return tries >= MOST_TRIES ? undefined : Math.min(LONGEST_MS, FIRST_MS * 2 ** tries);
}

// When a terminal that was lost is asked for again by itself: as soon as its machine is there, then ever more rarely.

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

/** How long to wait before the next try; nothing where there shall be none. */
export function waitBefore(tries: number): number | undefined {
  return tries >= MOST_TRIES ? undefined : Math.min(LONGEST_MS, FIRST_MS * 2 ** tries);
}

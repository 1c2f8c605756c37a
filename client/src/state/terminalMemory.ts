// Which terminals this tab watches, kept while it is loaded anew. Of this tab alone, and nothing of what they show.

import type { TerminalView } from './terminalStore';

const KEY = 'mesh-terminals';

export interface Remembered {
  id: string;
  roomId: string;
  deviceId: string;
  deviceName: string;
  ownerName: string;
  /** The share that was chosen, by its owner's word for it. */
  label?: string;
  /** Whether it was in sight. */
  front: boolean;
}

export function remember({ sessionId, roomId, deviceId, deviceName, ownerName, share }: TerminalView): void {
  if (deviceId === '') return;
  const label = share ? { label: share.label } : {};
  const one = { id: sessionId, roomId, deviceId, deviceName, ownerName, ...label, front: false };
  keep([...read().filter((other) => other.id !== sessionId), one]);
}

export function rememberFront(sessionId: string, front: boolean): void {
  keep(read().map((one) => (one.id === sessionId ? { ...one, front } : one)));
}

export function forget(sessionId: string): void {
  keep(read().filter((one) => one.id !== sessionId));
}

/** Of one room, or all. */
export function remembered(roomId?: string): Remembered[] {
  return read().filter((one) => roomId === undefined || one.roomId === roomId);
}

function read(): Remembered[] {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '[]') as Remembered[];
  } catch {
    return [];
  }
}

function keep(list: Remembered[]): void {
  try {
    if (list.length === 0) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(list));
  } catch {
    // Storage is off: a reload ends what is watched.
  }
}

// Who is signed in, and how the connection to the server is.

import { createStore } from 'zustand/vanilla';
import type { ConnectionState } from '../lib/ws';
import type { Me } from '../protocol/rest';

export interface SessionState {
  /** `unknown` until the first answer of the server. */
  phase: 'unknown' | 'out' | 'in';
  me: Me | undefined;
  /** Why the last session ended, for the sign-in page. */
  ended: boolean;
  connection: ConnectionState;
}

export function createSessionStore() {
  return createStore<SessionState>(() => ({
    phase: 'unknown',
    me: undefined,
    ended: false,
    connection: { status: 'idle', peerId: undefined, attempt: 0 },
  }));
}

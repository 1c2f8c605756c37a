// What rings at this page, and what was missed; and the short messages of a call.

import { NotConnected, type Socket } from '../lib/ws';
import type { EventOf } from '../protocol/signal';
import type { Ringing } from './callStore';
import type { CallDeps } from './calls';

/** As long as the server lets it ring. */
export const RING_MS = 30_000;
/** Cards that are shown at once; the oldest goes first. */
const CARDS = 5;

/** Away from the server, what is only of the moment is lost. */
export function createSay(socket: Socket) {
  return (
    type: 'call.accept' | 'call.decline' | 'call.end',
    payload: { room_id: string; session_id: string; target?: string; reason?: 'declined' | 'taken' },
  ): void => {
    try {
      socket.send(type, payload);
    } catch (error) {
      if (!(error instanceof NotConnected)) throw error;
    }
  };
}

export function createRings({ socket, rooms, store, me }: CallDeps) {
  const say = createSay(socket);
  const find = (sessionId: string) => store.getState().ringing.find((one) => one.sessionId === sessionId);

  function stop(sessionId: string): void {
    store.setState((state) => ({ ringing: state.ringing.filter((one) => one.sessionId !== sessionId) }));
  }

  return {
    find,
    stop,

    begin(event: EventOf<'call.request'>): void {
      const { room_id: roomId, session_id: sessionId, target } = event.payload;
      const caller = rooms.getState().rooms[roomId]?.peers[event.from];
      if (!caller || caller.user_id === me()?.user_id || find(sessionId)) return;
      const one: Ringing = {
        sessionId,
        roomId,
        peerId: event.from,
        userId: caller.user_id,
        name: caller.name,
        alone: target !== undefined,
      };
      store.setState((state) => ({ ringing: [...state.ringing, one].slice(-CARDS) }));
      window.setTimeout(() => stop(sessionId), RING_MS);
    },

    decline(sessionId: string): void {
      const one = find(sessionId);
      if (!one) return;
      stop(sessionId);
      const to = one.alone ? { target: one.peerId } : {};
      say('call.decline', { room_id: one.roomId, session_id: sessionId, reason: 'declined', ...to });
    },

    /** The caller is gone. */
    callerLeft(peerId: string): void {
      for (const one of store.getState().ringing) if (one.peerId === peerId) stop(one.sessionId);
    },

    missed(event: EventOf<'call.missed'>): void {
      const { session_id: sessionId, room_id: roomId, user_id: userId, name } = event.payload;
      stop(sessionId);
      if (userId === me()?.user_id || store.getState().call?.sessionId === sessionId) return;
      const one = { sessionId, roomId, userId, name, at: Date.now() };
      store.setState(({ missed }) => ({
        missed: [...missed.filter((other) => other.sessionId !== sessionId), one].slice(-CARDS),
      }));
    },

    forgetMissed(sessionId: string): void {
      store.setState(({ missed }) => ({ missed: missed.filter((one) => one.sessionId !== sessionId) }));
    },
  };
}

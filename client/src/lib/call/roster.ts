// Who is in which call, as far as they say so: a request to the room is who comes, an accept who is in it, an end who goes.
// Pure; what they say opens nothing, since every connection is proved for itself.

import type { SignalEvent } from '../../protocol/signal';

export type Roster = Record<string, { sessionId: string; peers: string[] }>;

/** `own`: sessions that were opened to this page alone, and are of no room. */
export function rosterAfter(roster: Roster, event: SignalEvent, own: (sessionId: string) => boolean): Roster {
  switch (event.type) {
    case 'call.request':
    case 'call.accept': {
      const { room_id, session_id, target } = event.payload;
      if (own(session_id) || (event.type === 'call.request' && target !== undefined)) return roster;
      const known = roster[room_id];
      const peers = known?.sessionId === session_id ? known.peers : [];
      if (peers.includes(event.from)) return roster;
      // Another call beside the one that goes on is not the room's.
      if (known && known.sessionId !== session_id && known.peers.some((peer) => peer !== event.from))
        return roster;
      return { ...roster, [room_id]: { sessionId: session_id, peers: [...peers, event.from] } };
    }
    case 'call.end':
      return event.payload.target === undefined
        ? without(roster, event.payload.room_id, event.from, event.payload.session_id)
        : roster;
    case 'room.left':
      return without(roster, event.payload.room_id, event.payload.peer_id);
    case 'room.state': {
      // Read anew: who is in a call says so again.
      const { [event.payload.room_id]: _, ...others } = roster;
      return others;
    }
    default:
      return roster;
  }
}

export function without(roster: Roster, roomId: string, peer: string, sessionId?: string): Roster {
  const known = roster[roomId];
  if (!known?.peers.includes(peer) || (sessionId !== undefined && known.sessionId !== sessionId))
    return roster;
  const peers = known.peers.filter((one) => one !== peer);
  if (peers.length > 0) return { ...roster, [roomId]: { ...known, peers } };
  const { [roomId]: _, ...others } = roster;
  return others;
}

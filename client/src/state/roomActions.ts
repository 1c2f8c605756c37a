// Being in rooms: joins what is wanted, joins again after a loss, keeps presence up to date.

import { NotConnected, SignalError, type Socket } from '../lib/ws';
import type { Feature, Peer, SignalEvent } from '../protocol/signal';
import {
  type RoomStore,
  withMember,
  withoutMember,
  withoutPeer,
  withoutShare,
  withPeer,
  withRoomChange,
  withRoomState,
  withShare,
  withWaiting,
} from './roomStore';

/** What a page answers requests for. */
const PAGE_OFFERS: Feature[] = ['file', 'call', 'screen'];

export function createRoomActions(socket: Socket, store: RoomStore, joined: (roomId: string) => void) {
  let status: Peer['status'] = 'online';
  let knownPeer: string | undefined;
  /** The rooms were joined anew on this very connection: a resync that follows asks for nothing more. */
  let joinedAnew = false;

  function join(roomId: string): void {
    try {
      socket.relay('room.join', { room_id: roomId }, (error) => {
        if (error instanceof SignalError)
          store.setState((state) => ({ refused: { ...state.refused, [roomId]: error.code } }));
      });
    } catch (error) {
      if (!(error instanceof NotConnected)) throw error;
    }
  }

  function leave(roomId: string, code: string): void {
    store.setState((state) => {
      const { [roomId]: _, ...rooms } = state.rooms;
      return {
        rooms,
        wanted: state.wanted.filter((one) => one !== roomId),
        refused: { ...state.refused, [roomId]: code },
      };
    });
  }

  function announce(roomId: string): void {
    try {
      socket.send('presence.set', { room_id: roomId, status, offers: PAGE_OFFERS });
    } catch (error) {
      if (!(error instanceof NotConnected)) throw error;
    }
  }

  function joinAll(): void {
    for (const roomId of store.getState().wanted) join(roomId);
  }

  return {
    /** Idempotent: safe to call on every visit. */
    enter(roomId: string): void {
      if (store.getState().wanted.includes(roomId)) return;
      store.setState((state) => ({ wanted: [...state.wanted, roomId] }));
      join(roomId);
    },

    /** Tries once more where the server refused. */
    again(roomId: string): void {
      store.setState((state) => {
        const { [roomId]: _, ...refused } = state.refused;
        return { refused };
      });
      join(roomId);
    },

    setStatus(next: Peer['status']): void {
      if (next === status) return;
      status = next;
      for (const roomId of Object.keys(store.getState().rooms)) announce(roomId);
    },

    /** Everything of the session that ended. */
    clear(): void {
      knownPeer = undefined;
      store.setState({ rooms: {}, wanted: [], refused: {} });
    },

    handle(event: SignalEvent): void {
      switch (event.type) {
        case 'system.welcome':
          // The same peer as before: the rooms still have us, and what was missed follows.
          joinedAnew = event.payload.peer_id !== knownPeer;
          knownPeer = event.payload.peer_id;
          if (joinedAnew) joinAll();
          return;
        case 'system.resync':
          if (!joinedAnew) joinAll();
          return;
        case 'room.state':
          store.setState((state) => withRoomState(state, event.payload));
          announce(event.payload.room_id);
          joined(event.payload.room_id);
          return;
        case 'room.joined':
        case 'presence.changed':
          store.setState((state) => withPeer(state, event.payload));
          return;
        case 'room.left':
          // Removed from the room, or the room is gone: this page itself is what left.
          if (event.payload.peer_id === socket.current.peerId) leave(event.payload.room_id, 'ROOM_NOT_FOUND');
          else store.setState((state) => withoutPeer(state, event.payload));
          return;
        case 'room.changed':
          store.setState((state) => withRoomChange(state, event.payload));
          return;
        case 'room.member.changed':
          store.setState((state) => withMember(state, event.payload, socket.current.peerId));
          return;
        case 'room.member.removed':
          store.setState((state) => withoutMember(state, event.payload));
          return;
        case 'room.lobby.changed':
          store.setState((state) => withWaiting(state, event.payload));
          return;
        case 'room.admitted':
          if (store.getState().wanted.includes(event.payload.room_id)) join(event.payload.room_id);
          return;
        case 'room.refused':
          leave(event.payload.room_id, 'NOT_ADMITTED');
          return;
        case 'share.folder.started':
        case 'terminal.share.started': {
          const { room_id, share_id, label } = event.payload;
          const user_id = store.getState().rooms[room_id]?.peers[event.from]?.user_id ?? '';
          const feature = event.type === 'share.folder.started' ? ('folder' as const) : ('terminal' as const);
          const share = { share_id, feature, peer_id: event.from, user_id, label };
          store.setState((state) => withShare(state, room_id, share));
          return;
        }
        case 'share.folder.ended':
        case 'terminal.share.ended':
          store.setState((state) => withoutShare(state, event.payload.room_id, event.payload.share_id));
          return;
      }
    },
  };
}

// Rooms as this page sees them: members, who is present, what is shared. Fed by the socket; the functions that compute
// the next state are pure.

import { createStore } from 'zustand/vanilla';
import type { Role, RoomSettings } from '../protocol/rest';
import type { EventPayload, Member, Peer, Share } from '../protocol/signal';

export interface RoomView {
  roomId: string;
  name: string;
  role: Role;
  members: Member[];
  peers: Record<string, Peer>;
  shares: Share[];
  settings: RoomSettings;
  /** How many wait to be let in, as far as this person may let them in. */
  waiting: number;
}

export interface RoomState {
  rooms: Record<string, RoomView>;
  /** Rooms that this page wants to be in: joined again after every loss. */
  wanted: string[];
  /** Why a room could not be joined: the code of the server's answer. */
  refused: Record<string, string>;
}

export type RoomStore = ReturnType<typeof createRoomStore>;

export function createRoomStore() {
  return createStore<RoomState>(() => ({ rooms: {}, wanted: [], refused: {} }));
}

export function withRoomState(state: RoomState, event: EventPayload<'room.state'>): RoomState {
  const room: RoomView = {
    roomId: event.room_id,
    name: event.name,
    role: event.role,
    members: event.members,
    peers: Object.fromEntries(event.peers.map((peer) => [peer.peer_id, peer])),
    shares: event.shares,
    settings: settingsOf(event),
    waiting: event.waiting,
  };
  const { [event.room_id]: _, ...refused } = state.refused;
  return { ...state, rooms: { ...state.rooms, [event.room_id]: room }, refused };
}

function settingsOf({ locked, lobby, retention_days, policy }: RoomSettings): RoomSettings {
  return { locked, lobby, retention_days, policy };
}

export function withRoomChange(state: RoomState, event: EventPayload<'room.changed'>): RoomState {
  const room = state.rooms[event.room_id];
  return room ? withRoom(state, { ...room, name: event.name, settings: settingsOf(event) }) : state;
}

export function withWaiting(state: RoomState, event: EventPayload<'room.lobby.changed'>): RoomState {
  const room = state.rooms[event.room_id];
  return room ? withRoom(state, { ...room, waiting: event.waiting }) : state;
}

/** A role that is new or another one; our own counts for the whole room. */
export function withMember(
  state: RoomState,
  event: EventPayload<'room.member.changed'>,
  myPeerId: string | undefined,
): RoomState {
  const room = state.rooms[event.room_id];
  if (!room) return state;
  const { room_id: _, ...member } = event;
  const known = room.members.some((one) => one.user_id === member.user_id);
  const mine = room.peers[myPeerId ?? '']?.user_id === member.user_id;
  return withRoom(state, {
    ...room,
    role: mine ? member.role : room.role,
    members: known
      ? room.members.map((one) => (one.user_id === member.user_id ? member : one))
      : [...room.members, member],
  });
}

export function withoutMember(state: RoomState, event: EventPayload<'room.member.removed'>): RoomState {
  const room = state.rooms[event.room_id];
  if (!room) return state;
  return withRoom(state, {
    ...room,
    members: room.members.filter((member) => member.user_id !== event.user_id),
  });
}

/** `room.joined` and `presence.changed` carry the whole peer: the last one wins. */
export function withPeer(state: RoomState, event: EventPayload<'room.joined'>): RoomState {
  const room = state.rooms[event.room_id];
  if (!room) return state;
  const { room_id: _, ...peer } = event;
  const known = room.members.some((member) => member.user_id === peer.user_id);
  return withRoom(state, {
    ...room,
    peers: { ...room.peers, [peer.peer_id]: peer },
    // An older server does not tell who has become a member.
    members: known
      ? room.members
      : [...room.members, { user_id: peer.user_id, name: peer.name, role: 'member' }],
  });
}

export function withoutPeer(state: RoomState, event: EventPayload<'room.left'>): RoomState {
  const room = state.rooms[event.room_id];
  if (!room?.peers[event.peer_id]) return state;
  const { [event.peer_id]: _, ...peers } = room.peers;
  return withRoom(state, {
    ...room,
    peers,
    shares: room.shares.filter((share) => share.peer_id !== event.peer_id),
  });
}

export function withShare(state: RoomState, roomId: string, share: Share): RoomState {
  const room = state.rooms[roomId];
  if (!room) return state;
  const others = room.shares.filter((one) => one.share_id !== share.share_id);
  return withRoom(state, { ...room, shares: [...others, share] });
}

export function withoutShare(state: RoomState, roomId: string, shareId: string): RoomState {
  const room = state.rooms[roomId];
  if (!room) return state;
  return withRoom(state, { ...room, shares: room.shares.filter((share) => share.share_id !== shareId) });
}

function withRoom(state: RoomState, room: RoomView): RoomState {
  return { ...state, rooms: { ...state.rooms, [room.roomId]: room } };
}

// Presence made fit for people: peers grouped into persons (members, with their pages) and machines (agents).

import type { Role } from '../protocol/rest';
import type { Peer, Share } from '../protocol/signal';
import type { RoomView } from './roomStore';

export type Availability = 'online' | 'away' | 'busy' | 'offline';

export interface Person {
  userId: string;
  name: string;
  role: Role;
  availability: Availability;
  /** Open pages of this person, other than this very page. */
  pages: Peer[];
  isMe: boolean;
}

export interface Machine {
  /** The device: it stays the same across reconnects, and several commands of one machine share it. */
  key: string;
  name: string;
  ownerName: string;
  mine: boolean;
  availability: Availability;
  /** Which of the machine's connections answers for what. */
  terminal: Peer | undefined;
  files: Peer | undefined;
  /** The terminals that its owner shares right now. */
  terminals: Share[];
}

const RANK: Record<Availability, number> = { online: 0, busy: 1, away: 2, offline: 3 };

export function peopleOf(
  room: RoomView,
  myUserId: string | undefined,
  myPeerId: string | undefined,
): Person[] {
  const pages = Object.values(room.peers).filter((peer) => peer.kind === 'page');
  return room.members
    .map((member) => {
      const own = pages.filter((peer) => peer.user_id === member.user_id);
      const isMe = member.user_id === myUserId;
      return {
        userId: member.user_id,
        name: member.name,
        role: member.role,
        availability: availabilityOf(own),
        pages: own.filter((peer) => peer.peer_id !== myPeerId),
        isMe,
      };
    })
    .sort(
      (a, b) =>
        Number(b.isMe) - Number(a.isMe) ||
        RANK[a.availability] - RANK[b.availability] ||
        a.name.localeCompare(b.name),
    );
}

/** Other people at a page of theirs in this room, each counted once. */
export function othersHere(room: RoomView | undefined, myUserId: string | undefined): number {
  const here = Object.values(room?.peers ?? {}).filter(
    ({ kind, status, user_id }) => kind === 'page' && status !== 'away' && user_id !== myUserId,
  );
  return new Set(here.map(({ user_id }) => user_id)).size;
}

export function machinesOf(room: RoomView, myUserId: string | undefined): Machine[] {
  const devices = new Map<string, Peer[]>();
  for (const peer of Object.values(room.peers)) {
    if (peer.kind !== 'agent') continue;
    const key = peer.device_id ?? peer.peer_id;
    devices.set(key, [...(devices.get(key) ?? []), peer]);
  }
  return [...devices]
    .map(([key, peers]) => {
      const [first] = peers as [Peer];
      const own = (peerId: string) => peers.some((peer) => peer.peer_id === peerId);
      return {
        key,
        name: first.device_name || first.name,
        ownerName: first.name,
        mine: first.user_id === myUserId,
        availability: availabilityOf(peers),
        terminal: peers.find((peer) => peer.offers.includes('terminal')),
        files: peers.find((peer) => peer.offers.includes('file')),
        terminals: room.shares.filter((share) => own(share.peer_id) && share.feature === 'terminal'),
      };
    })
    .sort((a, b) => Number(b.mine) - Number(a.mine) || a.name.localeCompare(b.name));
}

function availabilityOf(peers: Peer[]): Availability {
  let best: Availability = 'offline';
  for (const peer of peers) if (RANK[peer.status] < RANK[best]) best = peer.status;
  return best;
}

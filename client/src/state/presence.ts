// Presence made fit for people: peers grouped into persons (members, with their pages) and machines (agents).

import type { Role } from '../protocol/rest';
import type { Peer } from '../protocol/signal';
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
  /** The same machine keeps its key across reconnects. */
  key: string;
  peer: Peer;
  mine: boolean;
  sharesTerminal: string | undefined;
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

export function machinesOf(room: RoomView, myUserId: string | undefined): Machine[] {
  return Object.values(room.peers)
    .filter((peer) => peer.kind === 'agent')
    .map((peer) => ({
      key: peer.device_id ?? peer.peer_id,
      peer,
      mine: peer.user_id === myUserId,
      sharesTerminal: room.shares.find(
        (share) => share.peer_id === peer.peer_id && share.feature === 'terminal',
      )?.label,
    }))
    .sort((a, b) => Number(b.mine) - Number(a.mine) || a.peer.device_name.localeCompare(b.peer.device_name));
}

function availabilityOf(peers: Peer[]): Availability {
  let best: Availability = 'offline';
  for (const peer of peers) if (RANK[peer.status] < RANK[best]) best = peer.status;
  return best;
}

import { useMemo } from 'react';
import { useSession } from '../../app/mesh';
import type { Peer } from '../../protocol/signal';
import type { RoomView } from '../../state/roomStore';

/** Everybody in the room who answers offers of files: machines first, then people's pages. */
export function useRecipients(room: RoomView): Peer[] {
  const myPeerId = useSession((state) => state.connection.peerId);
  return useMemo(
    () =>
      Object.values(room.peers)
        .filter((peer) => peer.peer_id !== myPeerId && peer.offers.includes('file'))
        .sort(
          (a, b) =>
            a.kind.localeCompare(b.kind) ||
            a.name.localeCompare(b.name) ||
            a.device_name.localeCompare(b.device_name),
        ),
    [room.peers, myPeerId],
  );
}

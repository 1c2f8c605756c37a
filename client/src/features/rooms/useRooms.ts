import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useMesh } from '../../app/mesh';

/** More rooms than this are joined only when visited. */
const JOIN_AT_ONCE = 30;

export const ROOMS_KEY = ['rooms'];

/** This person's rooms. The page is present in all of them, so that offers and messages arrive wherever one looks. */
export function useRooms() {
  const mesh = useMesh();
  const query = useQuery({ queryKey: ROOMS_KEY, queryFn: () => mesh.api.rooms() });
  const { data } = query;
  useEffect(() => {
    for (const room of data?.slice(0, JOIN_AT_ONCE) ?? []) mesh.roomActions.enter(room.room_id);
  }, [data, mesh]);
  const queries = useQueryClient();
  useEffect(
    () =>
      mesh.socket.onEvent((event) => {
        const own = event.type === 'room.left' && event.payload.peer_id === mesh.socket.current.peerId;
        if (own || event.type === 'room.admitted' || event.type === 'room.changed')
          void queries.invalidateQueries({ queryKey: ROOMS_KEY });
      }),
    [mesh, queries],
  );
  return query;
}

import { useQuery } from '@tanstack/react-query';
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
  return query;
}

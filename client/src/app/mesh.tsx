// The one Mesh of this page, through a context.

import { createContext, type ReactNode, useContext } from 'react';
import { useStore } from 'zustand';
import type { Mesh } from '../state/mesh';
import type { RoomView } from '../state/roomStore';
import type { SessionState } from '../state/sessionStore';

const MeshContext = createContext<Mesh | undefined>(undefined);

export function MeshProvider({ mesh, children }: { mesh: Mesh; children: ReactNode }) {
  return <MeshContext.Provider value={mesh}>{children}</MeshContext.Provider>;
}

export function useMesh(): Mesh {
  const mesh = useContext(MeshContext);
  if (!mesh) throw new Error('useMesh outside of MeshProvider');
  return mesh;
}

export function useSession<T>(select: (state: SessionState) => T): T {
  return useStore(useMesh().session, select);
}

export function useRoom(roomId: string): RoomView | undefined {
  return useStore(useMesh().rooms, (state) => state.rooms[roomId]);
}

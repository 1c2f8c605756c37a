import { useMemo } from 'react';
import { useStore } from 'zustand';
import { useMesh } from '../../app/mesh';
import { type TransferView, transfersIn } from '../../state/transferStore';

export function useTransfers(roomId: string): TransferView[] {
  const transfers = useStore(useMesh().transfers, (state) => state.transfers);
  return useMemo(() => transfersIn({ transfers }, roomId), [transfers, roomId]);
}

import { useMemo } from 'react';
import { useStore } from 'zustand';
import { useMesh } from '../../app/mesh';
import { inOrder, type TransferView } from '../../state/transferStore';

/** Of all rooms, the newest first. */
export function useTransfers(): TransferView[] {
  const transfers = useStore(useMesh().transfers, (state) => state.transfers);
  return useMemo(() => inOrder({ transfers }), [transfers]);
}

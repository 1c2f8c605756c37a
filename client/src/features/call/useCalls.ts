import { useStore } from 'zustand';
import { useMesh } from '../../app/mesh';
import type { CallState } from '../../state/callStore';
import type { Calls } from '../../state/calls';

export function useCalls<T>(select: (state: CallState) => T): T {
  return useStore(useMesh().calls, select);
}

/** Acts on the calls, which are loaded by the first use. */
export function useAct(): (run: (calls: Calls) => void) => void {
  return useMesh().withCalls;
}

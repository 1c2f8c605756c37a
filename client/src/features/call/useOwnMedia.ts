import { useEffect, useState } from 'react';
import type { LocalMedia } from '../../lib/call/localMedia';
import { useAct, useCalls } from './useCalls';

/** The devices of the call that this page is in or about to be in. */
export function useOwnMedia(): LocalMedia | undefined {
  const act = useAct();
  const [media, setMedia] = useState<LocalMedia>();
  // Drawn anew when a track comes or goes: the call says so.
  useCalls((state) => state);
  const session = useCalls(({ call }) => call?.since);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another call has other devices
  useEffect(() => act((calls) => setMedia(calls.call.media())), [session]);
  return media;
}

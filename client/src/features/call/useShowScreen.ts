// Shows a screen, a window or a tab of this device to a room, in a call and outside of one.

import { useState } from 'react';
import { faultOf } from '../../lib/call/devices';
import { chooseDisplay } from '../../lib/call/display';
import type { ScreenView } from '../../state/callStore';
import { useAct, useCalls } from './useCalls';

interface ShowScreen {
  /** What this page shows there. */
  own: ScreenView[];
  /** Why the last one could not be shown, as a code. */
  fault: string | undefined;
  show: (mode: 'detail' | 'motion') => Promise<void>;
}

export function useShowScreen(roomId: string): ShowScreen {
  const act = useAct();
  const screens = useCalls((state) => state.screens);
  const [fault, setFault] = useState<string>();
  return {
    own: Object.values(screens).filter((one) => one.mine && one.roomId === roomId && one.phase !== 'ended'),
    fault,
    show: async (mode) => {
      setFault(undefined);
      try {
        const stream = await chooseDisplay();
        act((calls) => void calls.screens.show(roomId, stream, mode));
      } catch (error) {
        // The dialog was closed, or the system said no: the first needs no sentence, and cannot be told from it.
        const code = faultOf(error);
        if (code !== 'MEDIA_DENIED') setFault(code);
      }
    },
  };
}

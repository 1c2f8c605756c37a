// M and V turn microphone and camera on and off; who holds the space bar is heard as long.

import { useEffect, useEffectEvent } from 'react';
import { placeOf, singleKeys } from '../../lib/shortcuts';
import type { CallView } from '../../state/callStore';
import { useAct } from './useCalls';

export function useCallKeys(call: CallView | undefined): void {
  const act = useAct();
  const set = (kind: 'audio' | 'video', on: boolean) => act((calls) => calls.call.set(kind, on));
  const onKey = useEffectEvent((event: KeyboardEvent, talking: { now: boolean }) => {
    if (call?.phase !== 'in') return;
    if (event.type === 'keyup') {
      if (event.key === ' ' && talking.now) {
        talking.now = false;
        set('audio', false);
        event.preventDefault();
      }
      return;
    }
    if (event.repeat && event.key === ' ' && talking.now) event.preventDefault();
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || placeOf(document) !== 'page')
      return;
    if (event.key === ' ') {
      // A button that has the focus is pressed by it.
      if (call.audio || document.activeElement?.closest('button, a, input, [role="switch"]')) return;
      talking.now = true;
      set('audio', true);
      event.preventDefault();
    } else if (singleKeys() && event.key.toLowerCase() === 'm') {
      set('audio', !call.audio);
    } else if (singleKeys() && event.key.toLowerCase() === 'v') {
      set('video', !call.video);
    }
  });
  useEffect(() => {
    const talking = { now: false };
    const listen = (event: KeyboardEvent) => onKey(event, talking);
    window.addEventListener('keydown', listen);
    window.addEventListener('keyup', listen);
    return () => {
      window.removeEventListener('keydown', listen);
      window.removeEventListener('keyup', listen);
    };
  }, []);
}

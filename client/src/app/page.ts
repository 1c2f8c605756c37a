// What the browser tells about the page itself: hidden, back online, about to close.

import type { Mesh } from '../state/mesh';
import { isBusy } from '../state/transferStore';

const AWAY_AFTER_MS = 60_000;

/** A transfer should not die because the screen went dark. */
function keepAwake(mesh: Mesh): void {
  let lock: WakeLockSentinel | undefined;
  let asking = false;
  mesh.transfers.subscribe(async (state) => {
    const busy = isBusy(state);
    if (busy && !lock && !asking && !document.hidden && 'wakeLock' in navigator) {
      asking = true;
      // Refused on low battery, for example: then it just stays as it is.
      lock = await navigator.wakeLock.request('screen').catch(() => undefined);
      lock?.addEventListener('release', () => {
        lock = undefined;
      });
      asking = false;
    } else if (!busy && lock) {
      void lock.release();
    }
  });
}

export function watchPage(mesh: Mesh): void {
  keepAwake(mesh);
  let timer: number | undefined;
  document.addEventListener('visibilitychange', () => {
    window.clearTimeout(timer);
    if (document.hidden) {
      timer = window.setTimeout(() => mesh.roomActions.setStatus('away'), AWAY_AFTER_MS);
    } else {
      mesh.roomActions.setStatus('online');
      mesh.socket.hurry();
    }
  });
  window.addEventListener('online', () => mesh.socket.hurry());
  window.addEventListener('beforeunload', (event) => {
    if (isBusy(mesh.transfers.getState())) event.preventDefault();
  });
}

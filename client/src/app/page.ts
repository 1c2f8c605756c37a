// What the browser tells about the page itself: hidden, back online, about to close.

import type { Mesh } from '../state/mesh';
import { isBusy } from '../state/transferStore';

/** Hidden for so long, or in sight without a key or a touch for so long, its person is away. */
const HIDDEN_AWAY_MS = 60_000;
const IDLE_AWAY_MS = 5 * 60_000;
/** Input is noticed at most so often. */
const NOTICE_MS = 1_000;

/** Tells the rooms whether somebody is at this page. */
function watchPresence(mesh: Mesh): void {
  let timer: number | undefined;
  let noticed = 0;
  const here = () => {
    window.clearTimeout(timer);
    const wait = document.hidden ? HIDDEN_AWAY_MS : IDLE_AWAY_MS;
    timer = window.setTimeout(() => mesh.roomActions.setStatus('away'), wait);
    if (!document.hidden) mesh.roomActions.setStatus('online');
  };
  const input = () => {
    if (Date.now() - noticed < NOTICE_MS) return;
    noticed = Date.now();
    here();
  };
  for (const kind of ['keydown', 'pointerdown', 'pointermove', 'wheel'])
    document.addEventListener(kind, input, { passive: true, capture: true });
  document.addEventListener('visibilitychange', here);
  here();
}

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
  watchPresence(mesh);
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) mesh.socket.hurry();
  });
  window.addEventListener('online', () => mesh.socket.hurry());
  window.addEventListener('beforeunload', (event) => {
    if (isBusy(mesh.transfers.getState())) event.preventDefault();
  });
}

// What the browser tells about the page itself: hidden, back online, about to close.

import type { Mesh } from '../state/mesh';
import { isBusy } from '../state/transferStore';
import { startWorker } from './worker';

/** Something goes on that ends with the page: a transfer, a call, a screen that is shown. */
function isInUse(mesh: Mesh): boolean {
  const { call, screens } = mesh.calls.getState();
  return (
    isBusy(mesh.transfers.getState()) ||
    call?.phase === 'in' ||
    Object.values(screens).some((screen) => screen.mine && screen.phase === 'live')
  );
}

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

/** Neither a transfer nor a call should die because the screen went dark. */
function keepAwake(mesh: Mesh): void {
  let lock: WakeLockSentinel | undefined;
  let asking = false;
  const look = async () => {
    const busy = isInUse(mesh);
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
  };
  mesh.transfers.subscribe(look);
  mesh.calls.subscribe(look);
  // Whoever looks at another page loses it, and asks again on coming back.
  document.addEventListener('visibilitychange', look);
}

export function watchPage(mesh: Mesh): void {
  keepAwake(mesh);
  watchPresence(mesh);
  startWorker();
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) mesh.socket.hurry();
  });
  window.addEventListener('online', () => mesh.socket.hurry());
  window.addEventListener('beforeunload', (event) => {
    if (isInUse(mesh)) event.preventDefault();
  });
}

// What the browser tells about the page itself: hidden, back online, about to close.

import type { Mesh } from '../state/mesh';
import { isBusy } from '../state/transferStore';

const AWAY_AFTER_MS = 60_000;

export function watchPage(mesh: Mesh): void {
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

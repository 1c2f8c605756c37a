// The worker beside the page (public/worker.js): with it the page can be installed, and starts where the server is away.

export const WORKER = '/worker.js';

/** After the first screen, which does not wait for it. Browsers have workers on https and on this machine only. */
export function startWorker(): void {
  if (!('serviceWorker' in navigator)) return;
  const start = async () => {
    await navigator.serviceWorker.register(WORKER);
    const { active } = await navigator.serviceWorker.ready;
    // What was loaded before it was there, it did not see.
    const files = performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname);
    active?.postMessage({ files });
  };
  // Refused by the browser's settings, for example: everything else works without.
  const begin = () => void start().catch((error) => console.debug('no worker', error));
  if (document.readyState === 'complete') begin();
  else window.addEventListener('load', begin, { once: true });
}

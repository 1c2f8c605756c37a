// What has to be there before the page is.

// A file of the page that breaks off on its way, as all do when a phone changes its network, is asked for again. What an
// extension puts into the page is not of the page.
const AGAIN_AFTER_MS = 2000;
addEventListener(
  'error',
  ({ target }) => {
    const own = String(target.src ?? target.href).startsWith(`${location.origin}/`);
    if (own && target instanceof HTMLScriptElement) setTimeout(() => location.reload(), AGAIN_AFTER_MS);
    else if (own && target instanceof HTMLLinkElement && target.rel === 'stylesheet')
      setTimeout(() => target.replaceWith(target.cloneNode()), AGAIN_AFTER_MS);
  },
  { capture: true },
);

// Before the first paint: the chosen colour scheme, so that a dark page never flashes white.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem('mantine-color-scheme-value');
  } catch {
    // Storage is off: the system decides.
  }
  const dark =
    chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
}

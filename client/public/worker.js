// Beside the page: starts it where the server cannot be reached, and shows notices of Mesh while no page is open. It keeps
// files of the page itself and nothing else: what people say and share passes it by.

const SHELL = 'mesh-shell';
/** Files of several versions of the page; the oldest go first. */
const MOST_FILES = 300;
/** Addresses of the server that are no pages of Mesh. */
const NO_PAGE = /^\/(auth\/oidc|docs|health|metrics|openapi\.json|ws|\.well-known)(\/|$)/;
/** Their names change with their content (assets/), or it does not matter when they change. */
const FILE = /^\/(assets\/|icons\/|favicon\.svg$|start\.js$|manifest\.webmanifest$)/;

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(SHELL).then((shell) => shell.addAll(['/', '/start.js', '/favicon.svg'])));
});

self.addEventListener('activate', (event) => {
  event.waitUntil(self.clients.claim());
});

// What a page had loaded before this worker was there. Files of the page only, wherever the message comes from.
self.addEventListener('message', (event) => {
  const told = Array.isArray(event.data?.files) ? event.data.files.slice(0, MOST_FILES) : [];
  const paths = told.filter((path) => typeof path === 'string' && FILE.test(path));
  event.waitUntil(keep(paths));
});

self.addEventListener('fetch', (event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== 'GET' || origin !== self.location.origin) return;
  if (mode === 'navigate' && !NO_PAGE.test(pathname)) event.respondWith(page(event));
  else if (pathname.startsWith('/assets/')) event.respondWith(asset(event.request));
  else if (FILE.test(pathname)) event.respondWith(fetch(event.request).catch(() => known(event.request)));
});

/** As the server has it; where it cannot be reached, or what stands before it says so, as it was. */
async function page(event) {
  const shell = await caches.open(SHELL);
  try {
    const answer = await fetch(event.request);
    if (answer.ok && !answer.redirected) event.waitUntil(shell.put('/', answer.clone()));
    if (answer.status < 502 || answer.status > 504) return answer;
    return (await shell.match('/')) ?? answer;
  } catch {
    return (await shell.match('/')) ?? Response.error();
  }
}

async function asset(request) {
  const shell = await caches.open(SHELL);
  const kept = await shell.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await shell.put(request, answer.clone()).catch(() => {});
  return answer;
}

async function known(request) {
  return (await (await caches.open(SHELL)).match(request)) ?? Response.error();
}

/** A disk without room, or a file that is gone: the page works all the same while the server is there. */
async function keep(paths) {
  const shell = await caches.open(SHELL);
  for (const path of paths) if (!(await shell.match(path))) await shell.add(path).catch(() => {});
  const files = (await shell.keys()).filter(({ url }) => new URL(url).pathname.startsWith('/assets/'));
  for (const old of files.slice(0, Math.max(0, files.length - MOST_FILES))) await shell.delete(old);
}

self.addEventListener('push', (event) => {
  const { title, body, url, tag } = event.data?.json() ?? {};
  event.waitUntil(
    self.registration.showNotification(title ?? 'Mesh', {
      body,
      tag,
      icon: '/icons/icon-192.png',
      data: url,
    }),
  );
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data));
});

async function open(url) {
  // Nothing leads elsewhere than to this server.
  const target = new URL(url ?? '/', self.location.origin);
  const path = self.location.origin + target.pathname;
  const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const page = pages.find((one) => one.url.startsWith(path));
  return page ? page.focus() : self.clients.openWindow(path);
}

// Shows notices of Mesh while no page is open. It has the sentence and the page to open, and nothing else: it caches
// nothing and sees no request of the page.

self.addEventListener('push', (event) => {
  const { title, body, url, tag } = event.data?.json() ?? {};
  event.waitUntil(
    self.registration.showNotification(title ?? 'Mesh', { body, tag, icon: '/favicon.svg', data: url }),
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

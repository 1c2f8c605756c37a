// A notice of the system, where this page is out of sight and the person has allowed it.

/** Returns what takes it away. */
export function notice(title: string, body: string, tag: string): (() => void) | undefined {
  if (!document.hidden || typeof Notification === 'undefined' || Notification.permission !== 'granted')
    return;
  try {
    const shown = new Notification(title, { body, tag, requireInteraction: true });
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
    return () => shown.close();
  } catch {
    // On a phone only a worker shows notices.
    void navigator.serviceWorker
      ?.getRegistration()
      .then((registration) => registration?.showNotification(title, { body, tag }))
      .catch((error) => console.debug('no notice', error));
    return undefined;
  }
}

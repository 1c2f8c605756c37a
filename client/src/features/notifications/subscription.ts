// This browser's own subscription to Web Push, through the worker that shows notices while no page is open.

import { WORKER } from '../../app/worker';
import type { NotificationsApi } from './api';

/** Why this browser cannot be told; `undefined` where it can. */
export function obstacle(scope: { isSecureContext: boolean; navigator: object } = window) {
  if (!scope.isSecureContext) return 'insecure';
  return 'serviceWorker' in scope.navigator && 'PushManager' in scope ? undefined : 'unsupported';
}

/** The server's key as `PushManager.subscribe` wants it. */
export function keyBytes(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

export class NotAllowed extends Error {}

/** Asks for permission, subscribes, and tells the server. */
export async function subscribe(api: NotificationsApi, pushKey: string): Promise<void> {
  if ((await Notification.requestPermission()) !== 'granted') throw new NotAllowed();
  await navigator.serviceWorker.register(WORKER);
  const { pushManager } = await navigator.serviceWorker.ready;
  const applicationServerKey = keyBytes(pushKey);
  const before = await pushManager.getSubscription();
  // One with the key of another server would be refused there.
  if (before && !sameKey(before.options.applicationServerKey, applicationServerKey))
    await before.unsubscribe();
  const options = { userVisibleOnly: true, applicationServerKey };
  const subscription = await pushManager.subscribe(options);
  await api.subscribe(subscription.toJSON());
}

function sameKey(known: ArrayBuffer | null, key: Uint8Array): boolean {
  const bytes = new Uint8Array(known ?? new ArrayBuffer(0));
  return bytes.length === key.length && bytes.every((byte, at) => byte === key[at]);
}

/** The server forgets first, so that nothing is sent to nowhere. */
export async function unsubscribe(api: NotificationsApi): Promise<void> {
  await api.unsubscribe();
  const registration = await navigator.serviceWorker.getRegistration(WORKER);
  const subscription = await registration?.pushManager.getSubscription();
  await subscription?.unsubscribe();
}

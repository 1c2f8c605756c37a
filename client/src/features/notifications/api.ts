// The REST of notifications (docs/protocol.md, section 1), loaded with the settings.

import type { Api } from '../../lib/api';
import {
  array,
  boolean,
  count,
  type Decoded,
  DecodeError,
  type Decoder,
  id,
  isRecord,
  lenientArray,
  object,
  oneOf,
  optional,
  string,
  withDefault,
} from '../../protocol/decode';
import type { ChangeNotifications } from '../../protocol/generated/ChangeNotifications';
import { ok } from '../../protocol/rest';

function record<T>(value: Decoder<T>): Decoder<Record<string, T>> {
  return (raw, path = '') => {
    if (!isRecord(raw)) throw new DecodeError(path, 'an object');
    return Object.fromEntries(Object.entries(raw).map(([key, one]) => [key, value(one, `${path}.${key}`)]));
  };
}

const roomNotices = oneOf('all', 'mentions', 'none');
export type RoomNotices = Decoded<typeof roomNotices>;

export const preferences = object({
  muted: boolean,
  events: record(boolean),
  rooms: record(roomNotices),
  quiet_hours: optional(object({ from: string, to: string, zone: string })),
  gotify: optional(object({ url: optional(string), token_set: boolean })),
  ntfy: optional(object({ url: string, topic: string, token_set: boolean })),
  browsers: withDefault(lenientArray(object({ device_id: id, name: string })), []),
  waiting: withDefault(count, 0),
  server_gotify: boolean,
  server_default: boolean,
  push_key: string,
});
export type Preferences = Decoded<typeof preferences>;

/** What a change shows at once, before the server has answered. */
export function applied(now: Preferences, { muted, events, rooms }: ChangeNotifications): Preferences {
  return {
    ...now,
    muted: muted ?? now.muted,
    events: { ...now.events, ...events },
    rooms: { ...now.rooms, ...rooms },
  };
}

const outcome = object({
  channel: oneOf('server', 'gotify', 'ntfy', 'web_push'),
  ok: boolean,
  detail: optional(string),
});
export type Outcome = Decoded<typeof outcome>;
const outcomes = object({ results: array(outcome) });

export function notificationsApi({ call }: Api) {
  const path = '/notifications';
  return {
    preferences: () => call('GET', `${path}/preferences`, preferences),
    change: (change: ChangeNotifications) => call('PUT', `${path}/preferences`, preferences, change),
    test: () => call('POST', `${path}/test`, outcomes, {}).then((answer) => answer.results),
    subscribe: (subscription: PushSubscriptionJSON) => call('PUT', `${path}/browser`, ok, subscription),
    unsubscribe: () => call('DELETE', `${path}/browser`, ok),
  };
}

export type NotificationsApi = ReturnType<typeof notificationsApi>;

import { describe, expect, it, vi } from 'vitest';
import type { Api } from '../../lib/api';
import { DecodeError } from '../../protocol/decode';
import { applied, notificationsApi, preferences } from './api';
import { keyBytes, obstacle } from './subscription';

const told = {
  muted: false,
  events: { 'chat.message.created': true, 'call.missed': false },
  rooms: { r: 'mentions' },
  language: 'en',
  gotify: { token_set: true },
  browsers: [
    { device_id: 'd', name: 'Firefox' },
    { device_id: 'not an id', name: 'x' },
  ],
  server_gotify: true,
  server_default: false,
  push_key: 'BEl6',
};

describe('preferences', () => {
  it('are decoded, and what is new in a list is left out', () => {
    const read = preferences(told);
    expect(read.events['call.missed']).toBe(false);
    expect(read.rooms).toEqual({ r: 'mentions' });
    expect(read.gotify).toEqual({ token_set: true });
    expect(read.ntfy).toBeUndefined();
    expect(read.browsers).toEqual([{ device_id: 'd', name: 'Firefox' }]);
  });

  it('of another shape are refused', () => {
    expect(() => preferences({ ...told, rooms: { r: 'loud' } })).toThrow(DecodeError);
    expect(() => preferences({ ...told, events: [] })).toThrow(DecodeError);
  });
});

describe('a change', () => {
  it('shows at once, and only what it changes', () => {
    const now = preferences(told);
    const then = applied(now, { events: { 'call.missed': true }, rooms: { s: 'none' } });
    expect(then.events).toEqual({ 'chat.message.created': true, 'call.missed': true });
    expect(then.rooms).toEqual({ r: 'mentions', s: 'none' });
    expect(then).toMatchObject({ muted: false, gotify: { token_set: true } });
    expect(applied(now, { muted: true }).muted).toBe(true);
  });
});

describe('the requests', () => {
  it('are those of the protocol', async () => {
    const call = vi.fn(async (_method: string, _path: string, decode: (raw: unknown) => unknown) =>
      decode(_path.endsWith('test') ? { results: [{ channel: 'ntfy', ok: false, detail: '401' }] } : told),
    );
    const api = notificationsApi({ call } as unknown as Api);
    await api.change({ gotify: null });
    expect(await api.test()).toEqual([{ channel: 'ntfy', ok: false, detail: '401' }]);
    await api.unsubscribe();
    expect(call.mock.calls.map(([method, path]) => `${method} ${path}`)).toEqual([
      'PUT /notifications/preferences',
      'POST /notifications/test',
      'DELETE /notifications/browser',
    ]);
  });
});

describe('this browser', () => {
  it('reads the key of the server', () => {
    expect([...keyBytes('BP-_')]).toEqual([4, 255, 191]);
  });

  it('says what is in the way', () => {
    expect(obstacle({ isSecureContext: false, navigator: {} })).toBe('insecure');
    expect(obstacle({ isSecureContext: true, navigator: {} })).toBe('unsupported');
    const able = { isSecureContext: true, navigator: { serviceWorker: {} }, PushManager: {} };
    expect(obstacle(able)).toBeUndefined();
  });
});

// The REST interface, typed and decoded. Errors are `ApiError` with the server's own `detail` and stable `code`.
// The session lives in an HttpOnly cookie that this code never sees.

import type { Decoder } from '../protocol/decode';
import * as rest from '../protocol/rest';
import { devicePublicKey } from './deviceKey';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    /** Stable name from docs/protocol.md; `NETWORK` when no answer came, `UNREADABLE` when it made no sense. */
    readonly code: string,
    detail: string,
    /** Seconds, where the server said when to try again. */
    readonly retryAfter?: number,
  ) {
    super(detail);
    this.name = 'ApiError';
  }
}

export interface PageDevice {
  name: string;
  kind: 'page';
  key?: string;
}

export interface CapRequest {
  room_id: string;
  peer_id: string;
  caps: string[];
  target_peer_id?: string;
  max_size?: number;
  session_id?: string;
  fingerprint?: string;
}

export interface RoomChange {
  name?: string;
  locked?: boolean;
  lobby?: boolean;
  retention_days?: number | null;
  policy?: Partial<Record<rest.PolicyRole, string[]>>;
}

type Fetch = typeof fetch;

export function createApi(fetcher: Fetch = (...args) => fetch(...args), onSignedOut: () => void = () => {}) {
  async function call<T>(method: string, path: string, decode: Decoder<T>, body?: object): Promise<T> {
    let response: Response;
    try {
      response = await fetcher(path, {
        method,
        credentials: 'same-origin',
        cache: 'no-store',
        headers: {
          accept: 'application/json',
          ...(body ? { 'content-type': 'application/json' } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    } catch {
      throw new ApiError(0, 'NETWORK', 'The server cannot be reached.');
    }
    const text = await response.text().catch(() => '');
    if (!response.ok) {
      const error = problemOf(response, text);
      if (error.code === 'UNAUTHENTICATED') onSignedOut();
      throw error;
    }
    try {
      return decode(text === '' ? {} : JSON.parse(text));
    } catch (cause) {
      console.debug('unreadable answer', method, path, cause);
      throw new ApiError(
        response.status,
        'UNREADABLE',
        'The server gave an answer that this page cannot read.',
      );
    }
  }

  const get = <T>(path: string, decode: Decoder<T>) => call('GET', path, decode);
  const post = <T>(path: string, body: object, decode: Decoder<T>) => call('POST', path, decode, body);
  const room = (roomId: string) => `/rooms/${encodeURIComponent(roomId)}`;

  return {
    /** For parts of the page that are loaded later, with REST of their own. */
    call,
    /** For what is loaded on its own, with its own decoders. */
    get,
    login: (username: string, password: string, device: PageDevice) =>
      post('/auth/login', { username, password, device }, rest.session),
    setup: (setup_token: string, username: string, password: string, device: PageDevice) =>
      post('/auth/setup', { setup_token, username, password, device }, rest.session),
    register: (invite: string, username: string, password: string, device: PageDevice) =>
      post('/auth/register', { invite, username, password, device }, rest.session),
    viewInvite: (invite: string) => post('/auth/invite', { invite }, rest.inviteView),
    enterAsGuest: (invite: string, name: string, device: PageDevice) =>
      post('/auth/guest', { invite, name, device }, rest.session),
    pairing: (user_code: string) => post('/auth/device/request', { user_code }, rest.pairing),
    answerPairing: (user_code: string, approve: boolean) =>
      post('/auth/device/approve', { user_code, approve }, rest.ok),
    signInByLink: (token: string, device: PageDevice) => post('/auth/link', { token, device }, rest.session),
    createLink: () => post('/auth/links', {}, rest.link),
    logout: () => post('/auth/logout', {}, rest.ok),
    me: () => get('/me', rest.me),
    changeName: (name: string) => call('PATCH', '/me', rest.ok, { name }),
    changePassword: (old_password: string | undefined, new_password: string) =>
      call('PATCH', '/me', rest.ok, { old_password, new_password }),
    sessions: () => get('/auth/sessions', rest.signInList).then((answer) => answer.sessions),
    endSession: (id: string) => call('DELETE', `/auth/sessions/${encodeURIComponent(id)}`, rest.ok),
    devices: () => get('/devices', rest.deviceList).then((answer) => answer.devices),
    removeDevice: (deviceId: string) => call('DELETE', `/devices/${encodeURIComponent(deviceId)}`, rest.ok),
    rooms: () => get('/rooms', rest.roomList).then((answer) => answer.rooms),
    createRoom: (name: string) => post('/rooms', { name }, rest.roomCreated),
    joinByInvite: (invite: string) => post('/rooms/join', { invite }, rest.roomCreated),
    createInvite: (
      roomId: string,
      options: { role: string; expires_in: number; max_uses: number; guest: boolean },
    ) => post(`${room(roomId)}/invites`, options, rest.invite),
    messages: (roomId: string, before: number | undefined, limit: number) =>
      get(
        `${room(roomId)}/messages?limit=${limit}${before === undefined ? '' : `&before=${before}`}`,
        rest.messagePage,
      ).then((answer) => answer.messages),
    editMessage: (roomId: string, seq: number, text: string) =>
      call('PATCH', `${room(roomId)}/messages/${seq}`, rest.chatMessage, { text }),
    deleteMessage: (roomId: string, seq: number) =>
      call('DELETE', `${room(roomId)}/messages/${seq}`, rest.ok),
    changeRoom: (roomId: string, change: RoomChange) => call('PATCH', room(roomId), rest.ok, change),
    deleteRoom: (roomId: string) => call('DELETE', room(roomId), rest.ok),
    leaveRoom: (roomId: string) => post(`${room(roomId)}/leave`, {}, rest.ok),
    setRole: (roomId: string, userId: string, role: rest.Role) =>
      call('PUT', `${room(roomId)}/members/${userId}`, rest.ok, { role }),
    removeMember: (roomId: string, userId: string) =>
      call('DELETE', `${room(roomId)}/members/${userId}`, rest.ok),
    invites: (roomId: string) =>
      get(`${room(roomId)}/invites`, rest.inviteList).then((answer) => answer.invites),
    revokeInvite: (roomId: string, inviteId: string) =>
      call('DELETE', `${room(roomId)}/invites/${inviteId}`, rest.ok),
    lobby: (roomId: string) => get(`${room(roomId)}/lobby`, rest.lobby).then((answer) => answer.requests),
    letIn: (roomId: string, userId: string, yes: boolean) =>
      call(yes ? 'PUT' : 'DELETE', `${room(roomId)}/lobby/${userId}`, rest.ok),
    bans: (roomId: string) => get(`${room(roomId)}/bans`, rest.banList).then((answer) => answer.bans),
    ban: (roomId: string, userId: string, yes: boolean) =>
      call(yes ? 'PUT' : 'DELETE', `${room(roomId)}/bans/${userId}`, rest.ok),
    capability: (request: CapRequest) => post('/caps', request, rest.capGrant),
    ice: () => get('/ice', rest.iceConfig),
    ticket: () => post('/ws/ticket', {}, rest.ticket),
    keys: () => get('/.well-known/jwks.json', rest.jwks).then((answer) => answer.keys),
  };
}

export type Api = ReturnType<typeof createApi>;

function problemOf(response: Response, text: string): ApiError {
  const retryAfter = Number(response.headers.get('retry-after')) || undefined;
  try {
    const problem = rest.problem(JSON.parse(text));
    return new ApiError(response.status, problem.code ?? 'UNKNOWN', problem.detail, retryAfter);
  } catch {
    // A proxy in between answers in its own words: name the status, never show its HTML.
    return new ApiError(response.status, 'UNKNOWN', `The server answered ${response.status}.`, retryAfter);
  }
}

/** A name people recognise in a list of devices, whatever their language: browser and system. */
export function deviceName(agent: string): string {
  const browser = /Edg\//.test(agent)
    ? 'Edge'
    : /Firefox\//.test(agent)
      ? 'Firefox'
      : /Chrom(e|ium)\//.test(agent)
        ? 'Chrome'
        : /Safari\//.test(agent)
          ? 'Safari'
          : 'Browser';
  const system = /Android/.test(agent)
    ? 'Android'
    : /iPhone|iPad/.test(agent)
      ? 'iOS'
      : /Windows/.test(agent)
        ? 'Windows'
        : /Mac OS/.test(agent)
          ? 'macOS'
          : /Linux|X11/.test(agent)
            ? 'Linux'
            : '';
  return system ? `${browser} (${system})` : browser;
}

/** How this page introduces itself at sign-in. */
export async function pageDevice(): Promise<PageDevice> {
  const key = await devicePublicKey();
  return { name: deviceName(navigator.userAgent), kind: 'page', ...(key ? { key } : {}) };
}

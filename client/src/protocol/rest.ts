// Answers of the REST interface (docs/protocol.md, section 1).

import {
  array,
  boolean,
  count,
  type Decoded,
  id,
  lenientArray,
  nullable,
  object,
  oneOf,
  optional,
  string,
  withDefault,
} from './decode';

export const role = oneOf('owner', 'moderator', 'member', 'guest');
export type Role = Decoded<typeof role>;

export const session = object({
  user_id: id,
  name: string,
  device_id: id,
  expires_at: count,
});

export const me = object({
  user_id: id,
  name: string,
  admin: boolean,
  device_id: optional(id),
  guest: boolean,
  has_password: boolean,
});
export type Me = Decoded<typeof me>;

const rights = lenientArray(string);
export const roomSettings = {
  locked: withDefault(boolean, false),
  lobby: withDefault(boolean, false),
  retention_days: nullable(count),
  policy: withDefault(object({ guest: rights, member: rights, moderator: rights }), {
    guest: [],
    member: [],
    moderator: [],
  }),
};
const settings = object(roomSettings);
export type RoomSettings = Decoded<typeof settings>;
export type PolicyRole = keyof RoomSettings['policy'];

export const inviteList = object({
  invites: lenientArray(object({ invite_id: id, role, expires_at: count, max_uses: count, uses: count })),
});
export const banList = object({
  bans: lenientArray(object({ user_id: id, name: string, banned_at: count })),
});
export const lobby = object({
  requests: lenientArray(object({ user_id: id, name: string, role, asked_at: count })),
});

const roomSummary = object({ room_id: id, name: string, role, last_seq: count });
export type RoomSummary = Decoded<typeof roomSummary>;
export const roomList = object({ rooms: array(roomSummary) });
export const roomCreated = object({ room_id: id });

export const invite = object({ invite_id: id, token: string, url: string, expires_at: count });

export const inviteView = object({ room_name: string, guest: boolean });

export const link = object({ token: string, url: string, expires_at: count });

const device = object({
  device_id: id,
  name: string,
  kind: string,
  created_at: count,
  last_seen_at: optional(count),
});
export const deviceList = object({ devices: array(device) });

const signIn = object({
  id: string,
  device_name: string,
  kind: string,
  address: optional(string),
  created_at: count,
  last_seen_at: count,
  current: boolean,
});
export const signInList = object({ sessions: array(signIn) });

export const pairing = object({ device_name: string, kind: string, address: string, expires_at: count });
export type Pairing = Decoded<typeof pairing>;

export const chatMessage = object({
  room_id: id,
  seq: count,
  user_id: id,
  name: string,
  device_id: optional(id),
  client_id: optional(string),
  text: string,
  created_at: count,
  mentions: optional(lenientArray(id)),
  edited_at: optional(count),
  deleted_at: optional(count),
});
export type ChatMessage = Decoded<typeof chatMessage>;
export const messagePage = object({ messages: lenientArray(chatMessage) });

export const capGrant = object({ cap_token: string, exp: count });
export type CapGrant = Decoded<typeof capGrant>;

const iceServer = object({ urls: array(string), username: optional(string), credential: optional(string) });
export const iceConfig = object({ ice_servers: array(iceServer), ttl: count });

export const ticket = object({ ticket: string, exp: count });

const jwk = object({ kty: oneOf('OKP'), crv: oneOf('Ed25519'), kid: string, x: string });
export type Jwk = Decoded<typeof jwk>;
export const jwks = object({ keys: lenientArray(jwk) });

export const problem = object({
  title: optional(string),
  status: optional(count),
  detail: string,
  code: optional(string),
});
export const ok = object({});

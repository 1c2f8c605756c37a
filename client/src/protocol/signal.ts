// Messages on `/ws` (docs/protocol.md, section 3): what the server sends, decoded at run time. What is not known here
// is ignored by the caller, so that a newer server does not break an older page.

import {
  array,
  boolean,
  count,
  type Decoded,
  type Decoder,
  id,
  isRecord,
  lenientArray,
  object,
  oneOf,
  optional,
  string,
  withDefault,
} from './decode';
import type { ClientMessage } from './generated/ClientMessage';
import { chatMessage, role, roomSettings } from './rest';

const feature = oneOf('call', 'screen', 'file', 'folder', 'terminal');
export type Feature = Decoded<typeof feature>;

/** The capability that opens a feature. */
export const CAPABILITY: Record<Feature, string> = {
  call: 'call',
  screen: 'screen',
  file: 'share:file',
  folder: 'share:folder',
  terminal: 'terminal:view',
};

const peerShape = {
  peer_id: id,
  user_id: id,
  name: string,
  device_id: optional(id),
  device_name: withDefault(string, ''),
  kind: oneOf('page', 'agent'),
  status: withDefault(oneOf('online', 'away', 'busy'), 'online'),
  offers: withDefault(lenientArray(feature), []),
};
const peer = object(peerShape);
export type Peer = Decoded<typeof peer>;

const member = object({ user_id: id, name: string, role });
export type Member = Decoded<typeof member>;

const share = object({ share_id: string, feature, peer_id: id, user_id: id, label: withDefault(string, '') });
export type Share = Decoded<typeof share>;

const reason = optional(string);
const party = { room_id: id, session_id: id };
/** Of calls and screens: whether it was said to this page alone or to the room. */
const said = object({ ...party, target: optional(id), reason });

const decoders = {
  'system.welcome': object({
    peer_id: id,
    user_id: id,
    device_id: optional(id),
    resume: optional(string),
    protocol: withDefault(count, 1),
    terminal_data: optional(boolean),
  }),
  'system.resync': object({}),
  'system.drain': object({}),
  'room.state': object({
    room_id: id,
    name: string,
    role,
    members: lenientArray(member),
    peers: lenientArray(peer),
    shares: withDefault(lenientArray(share), []),
    last_seq: count,
    ...roomSettings,
    waiting: withDefault(count, 0),
  }),
  'room.joined': object({ room_id: id, ...peerShape }),
  'room.left': object({ room_id: id, peer_id: id, user_id: optional(id) }),
  'presence.changed': object({ room_id: id, ...peerShape }),
  'room.changed': object({ room_id: id, name: string, ...roomSettings }),
  'room.member.changed': object({ room_id: id, user_id: id, name: string, role }),
  'room.member.removed': object({ room_id: id, user_id: id }),
  'room.lobby.changed': object({ room_id: id, waiting: count }),
  'room.admitted': object({ room_id: id }),
  'room.refused': object({ room_id: id }),
  ack: object({ ref: string, seq: optional(count) }),
  error: object({ code: string, detail: withDefault(string, ''), ref: optional(string) }),
  'cap.revoked': object({ session_id: id, jti: optional(string), reason }),
  'call.request': said,
  'call.accept': said,
  'call.decline': said,
  'call.end': said,
  'call.missed': object({ ...party, user_id: id, name: string }),
  'screen.share.request': said,
  'screen.share.accept': said,
  'screen.share.decline': said,
  'screen.share.stop': said,
  'chat.message.created': chatMessage,
  'chat.message.edited': chatMessage,
  'chat.message.deleted': object({ room_id: id, seq: count }),
  'chat.typing': object({ room_id: id, typing: boolean }),
  'share.file.request': object({
    ...party,
    cap_token: optional(string),
    name: string,
    size: count,
    count,
    files: withDefault(lenientArray(object({ path: string, size: count })), []),
  }),
  'share.folder.request': object({
    ...party,
    cap_token: optional(string),
    name: string,
    size: count,
    count,
    files: withDefault(lenientArray(object({ path: string, size: count })), []),
  }),
  'share.accept': object({ ...party, reason }),
  'share.decline': object({ ...party, reason }),
  'share.cancel': object({ ...party, reason }),
  'share.completed': object({ ...party, reason }),
  'share.folder.started': object({ room_id: id, share_id: string, label: withDefault(string, '') }),
  'share.folder.ended': object({ room_id: id, share_id: string }),
  'terminal.share.started': object({ room_id: id, share_id: string, label: withDefault(string, '') }),
  'terminal.share.ended': object({ room_id: id, share_id: string }),
  'terminal.share.request': object({ ...party, share_id: optional(string) }),
  'terminal.share.accept': object({ ...party, reason }),
  'terminal.share.decline': object({ ...party, reason }),
  'terminal.control.grant': object({ ...party, epoch: count }),
  'terminal.control.deny': object({ ...party, reason }),
  'terminal.data': object({ ...party, seq: count, data: string }),
  'rtc.offer': object({ ...party, feature, cap_token: string, sdp: string }),
  'rtc.answer': object({ ...party, feature, cap_token: string, sdp: string }),
  'rtc.ice': object({
    ...party,
    feature: optional(feature),
    candidate: optional(
      object({
        candidate: string,
        sdpMid: optional(string),
        sdpMLineIndex: optional(count),
        usernameFragment: optional(string),
      }),
    ),
  }),
} satisfies Record<string, Decoder<unknown>>;

export type EventType = keyof typeof decoders;
export type EventPayload<T extends EventType> = Decoded<(typeof decoders)[T]>;

/** One message from the server, as a discriminated union on `type`. */
export type SignalEvent = {
  [T in EventType]: { type: T; id: string | undefined; from: string; payload: EventPayload<T> };
}[EventType];

/** The member that narrows to one type. */
export type EventOf<T extends EventType> = Extract<SignalEvent, { type: T }>;

/** Returns undefined for what this page does not know; throws DecodeError for a known type of the wrong shape. */
export function decodeEvent(text: string): SignalEvent | undefined {
  const raw: unknown = JSON.parse(text);
  if (!isRecord(raw) || typeof raw.type !== 'string') return undefined;
  if (!Object.hasOwn(decoders, raw.type)) return undefined;
  const type = raw.type as EventType;
  const payload = decoders[type](raw.payload ?? {}, type);
  return {
    type,
    id: typeof raw.id === 'string' ? raw.id : undefined,
    from: typeof raw.from === 'string' ? raw.from : '',
    payload,
  } as SignalEvent;
}

type Command = ClientMessage;
export type CommandType = Command['type'];
/** What a page may send. The envelope's other members are the server's. */
export type CommandPayload<T extends CommandType> = Extract<Command, { type: T }>['payload'];

export const claims = object({
  iss: string,
  aud: string,
  sub: id,
  room_id: id,
  caps: array(string),
  target_peer_id: optional(id),
  max_size: optional(count),
  session_id: optional(id),
  jti: string,
  iat: count,
  exp: count,
  cnf: optional(object({ fp: string })),
});
export type Claims = Decoded<typeof claims>;

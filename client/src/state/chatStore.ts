// Chat of each room: what is stored (in the order of `seq`), what is on its way, who is typing. Pure functions compute
// the next state; `chatActions.ts` does the talking.

import { createStore } from 'zustand/vanilla';
import type { ChatMessage } from '../protocol/rest';

export interface PendingMessage {
  clientId: string;
  text: string;
  createdAt: number;
  status: 'sending' | 'failed';
  error?: string;
}

export interface RoomChat {
  messages: ChatMessage[];
  pending: PendingMessage[];
  /** Older messages may exist on the server. */
  more: boolean;
  loading: boolean;
  /** First page has been read. */
  ready: boolean;
  unread: number;
  /** When each peer's "is typing" lapses (ms). */
  typing: Record<string, number>;
}

export interface ChatState {
  rooms: Record<string, RoomChat>;
}

export type ChatStore = ReturnType<typeof createChatStore>;

export const EMPTY_CHAT: RoomChat = {
  messages: [],
  pending: [],
  more: true,
  loading: false,
  ready: false,
  unread: 0,
  typing: {},
};

/** A room that is followed keeps this many of its newest messages, once it has twice as many. */
export const FOLLOWED = 300;

/** A remote "is typing" that is not repeated lapses by itself. */
export const TYPING_LAPSES_MS = 6_000;

export function createChatStore() {
  return createStore<ChatState>(() => ({ rooms: {} }));
}

export function chatOf(state: ChatState, roomId: string): RoomChat {
  return state.rooms[roomId] ?? EMPTY_CHAT;
}

export function updateRoom(
  state: ChatState,
  roomId: string,
  change: (chat: RoomChat) => RoomChat,
): ChatState {
  const chat = chatOf(state, roomId);
  const changed = change(chat);
  return changed === chat ? state : { rooms: { ...state.rooms, [roomId]: changed } };
}

/** Adds messages from any source (live, history, after a gap): each `seq` once, in order. */
export function merge(chat: RoomChat, incoming: readonly ChatMessage[]): RoomChat {
  if (incoming.length === 0) return chat;
  const last = chat.messages.at(-1)?.seq ?? -1;
  const first = incoming[0] as ChatMessage;
  let messages: ChatMessage[];
  if (incoming.length === 1 && first.seq > last) {
    messages = [...chat.messages, first];
  } else {
    const bySeq = new Map(chat.messages.map((message) => [message.seq, message]));
    for (const message of incoming) bySeq.set(message.seq, newer(bySeq.get(message.seq), message));
    messages = [...bySeq.values()].sort((a, b) => a.seq - b.seq);
  }
  return { ...chat, messages };
}

/** Of two states of one message the one that was changed last, whichever arrived first. */
function newer(known: ChatMessage | undefined, other: ChatMessage): ChatMessage {
  if (!known || other.deleted_at) return other;
  return known.deleted_at || (known.edited_at ?? 0) > (other.edited_at ?? 0) ? known : other;
}

/** A change of a message that is not loaded changes nothing: it is read as it is then. */
export function withChanged(
  chat: RoomChat,
  seq: number,
  change: (message: ChatMessage) => ChatMessage,
): RoomChat {
  const at = chat.messages.findIndex((message) => message.seq === seq);
  const known = chat.messages[at];
  return known ? { ...chat, messages: chat.messages.with(at, newer(known, change(known))) } : chat;
}

/** What was read anew takes the place of everything up to its newest message; what came meanwhile follows. */
export function withReread(chat: RoomChat, messages: readonly ChatMessage[], more: boolean): RoomChat {
  const last = messages.at(-1)?.seq ?? 0;
  const known = chat.messages.filter((message) => message.seq >= (messages[0]?.seq ?? 0));
  const upTo = merge(
    { ...chat, messages: [...messages] },
    known.filter((message) => message.seq <= last),
  );
  return {
    ...merge(
      upTo,
      known.filter((message) => message.seq > last),
    ),
    more,
    ready: true,
    loading: false,
  };
}

/** Where nobody reads older messages, a room lets go of them; they are read again as one scrolls up. */
export function withoutOldest(chat: RoomChat): RoomChat {
  // A page that is on its way has to meet the one after it.
  if (chat.loading || chat.messages.length < 2 * FOLLOWED) return chat;
  return { ...chat, messages: chat.messages.slice(-FOLLOWED), more: true };
}

/** A message of our own that came back stored replaces its pending copy. */
export function withCreated(chat: RoomChat, message: ChatMessage, mine: boolean, looking: boolean): RoomChat {
  const isNew = message.seq > (chat.messages.at(-1)?.seq ?? 0);
  const merged = merge(chat, [message]);
  return {
    ...merged,
    pending: chat.pending.filter((pending) => pending.clientId !== message.client_id),
    unread: isNew && !mine && !looking ? chat.unread + 1 : chat.unread,
  };
}

/** What came from others after the one that was read last, as far as it is loaded. */
export function unreadSince(chat: RoomChat, read: number, me: string | undefined): number {
  return chat.messages.filter(({ seq, user_id, deleted_at }) => seq > read && user_id !== me && !deleted_at)
    .length;
}

export function withPending(chat: RoomChat, pending: PendingMessage): RoomChat {
  const others = chat.pending.filter((one) => one.clientId !== pending.clientId);
  return { ...chat, pending: [...others, pending].sort((a, b) => a.createdAt - b.createdAt) };
}

export function withoutPending(chat: RoomChat, clientId: string): RoomChat {
  return { ...chat, pending: chat.pending.filter((pending) => pending.clientId !== clientId) };
}

export function withTyping(chat: RoomChat, peerId: string, until: number | undefined): RoomChat {
  const { [peerId]: before, ...typing } = chat.typing;
  if (until === undefined) return before === undefined ? chat : { ...chat, typing };
  return { ...chat, typing: { ...typing, [peerId]: until } };
}

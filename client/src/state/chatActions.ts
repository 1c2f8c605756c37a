// Talking: sends messages until they are acknowledged, reads history, fills gaps after a loss, tells who is typing.

import type { Api } from '../lib/api';
import { newId } from '../lib/ids';
import type { ReadMarks } from '../lib/readMarks';
import { NotConnected, type Socket } from '../lib/ws';
import type { ChatMessage } from '../protocol/rest';
import type { SignalEvent } from '../protocol/signal';
import {
  type ChatStore,
  chatOf,
  merge,
  type PendingMessage,
  TYPING_LAPSES_MS,
  unreadSince,
  updateRoom,
  withChanged,
  withCreated,
  withoutOldest,
  withoutPending,
  withPending,
  withReread,
  withTyping,
} from './chatStore';
import { failureOf } from './sessions';

export const MAX_TEXT_CHARS = 8_000;
const PAGE = 50;
/** Pages that are read again after a loss; what is older is read when one scrolls there. */
const PAGES_AGAIN = 10;
/** How often "is typing" is repeated while somebody types. */
const TYPING_EVERY_MS = 3_000;

/** A deleted message keeps its place. */
const deleted = (message: ChatMessage): ChatMessage => ({
  ...message,
  text: '',
  mentions: [],
  deleted_at: Date.now(),
});

export function createChatActions(
  api: Pick<Api, 'messages' | 'editMessage' | 'deleteMessage'>,
  socket: Socket,
  store: ChatStore,
  myUserId: () => string | undefined,
  marks: Pick<ReadMarks, 'get' | 'set'>,
) {
  let looking: string | undefined;
  const typedAt = new Map<string, number>();

  const update = (roomId: string, change: Parameters<typeof updateRoom>[2]) =>
    store.setState((state) => updateRoom(state, roomId, change));

  /** After history was read: counts what came since this person looked here last, if that is known. */
  function count(roomId: string): void {
    const chat = chatOf(store.getState(), roomId);
    const read = marks.get(roomId);
    if (looking === roomId || read === undefined) markRead(roomId);
    else update(roomId, () => ({ ...chat, unread: unreadSince(chat, read, myUserId()) }));
  }

  function markRead(roomId: string): void {
    marks.set(roomId, chatOf(store.getState(), roomId).messages.at(-1)?.seq ?? 0);
  }

  async function deliver(roomId: string, pending: PendingMessage): Promise<void> {
    update(roomId, (chat) => withPending(chat, { ...pending, status: 'sending' }));
    try {
      await socket.sendForAck('chat.message.create', {
        room_id: roomId,
        client_id: pending.clientId,
        text: pending.text,
      });
      // The stored message comes to its sender too, and takes the place of the pending one then.
    } catch (error) {
      // While the connection is away it stays "sending": `flush` tries again once it is back.
      if (error instanceof NotConnected) return;
      update(roomId, (chat) => {
        const still = chat.pending.some((one) => one.clientId === pending.clientId);
        return still
          ? withPending(chat, { ...pending, status: 'failed', error: failureOf(error).code })
          : chat;
      });
    }
  }

  async function loadPage(roomId: string, before: number | undefined): Promise<void> {
    if (chatOf(store.getState(), roomId).loading) return;
    update(roomId, (chat) => ({ ...chat, loading: true }));
    try {
      const page = await api.messages(roomId, before, PAGE);
      update(roomId, (chat) => ({
        ...merge(chat, page),
        more: before === undefined && chat.ready ? chat.more : page.length === PAGE,
        ready: true,
        loading: false,
      }));
      if (before === undefined) count(roomId);
    } catch (error) {
      console.debug('history not read', error);
      update(roomId, (chat) => ({ ...chat, loading: false }));
    }
  }

  return {
    /** Empty text is not sent. Returns whether it was taken. */
    send(roomId: string, text: string): boolean {
      const trimmed = text.trim();
      if (trimmed === '' || trimmed.length > MAX_TEXT_CHARS) return false;
      typedAt.delete(roomId);
      void deliver(roomId, { clientId: newId(), text: trimmed, createdAt: Date.now(), status: 'sending' });
      return true;
    },

    /** The same `client_id` again: the server stores it once, however often it arrives. */
    retry(roomId: string, clientId: string): void {
      const pending = chatOf(store.getState(), roomId).pending.find((one) => one.clientId === clientId);
      if (pending) void deliver(roomId, pending);
    },

    discard(roomId: string, clientId: string): void {
      update(roomId, (chat) => withoutPending(chat, clientId));
    },

    loadOlder(roomId: string): Promise<void> {
      const chat = chatOf(store.getState(), roomId);
      return chat.more ? loadPage(roomId, chat.messages[0]?.seq) : Promise.resolve();
    },

    /** The newest message is in sight, and nobody reads older ones. */
    follow(roomId: string): void {
      update(roomId, withoutOldest);
    },

    /** Reads the newest page; after a loss, everything that is loaded: any of it may have been changed meanwhile. */
    async refresh(roomId: string): Promise<void> {
      const first = chatOf(store.getState(), roomId).messages[0]?.seq;
      if (first === undefined) return loadPage(roomId, undefined);
      update(roomId, (chat) => ({ ...chat, loading: true }));
      const read: ChatMessage[] = [];
      let more = true;
      try {
        for (let page = 0; page < PAGES_AGAIN && more && (read[0]?.seq ?? Infinity) > first; page++) {
          const older = await api.messages(roomId, read[0]?.seq, PAGE);
          more = older.length === PAGE;
          read.unshift(...older);
        }
        update(roomId, (chat) => withReread(chat, read, more));
        count(roomId);
      } catch (error) {
        console.debug('history not read', error);
        update(roomId, (chat) => ({ ...chat, loading: false }));
      }
    },

    /** Resolves when it is stored; rejects with what to tell. */
    async edit(roomId: string, seq: number, text: string): Promise<void> {
      const message = await api.editMessage(roomId, seq, text.trim());
      update(roomId, (chat) => withChanged(chat, seq, () => message));
    },

    async remove(roomId: string, seq: number): Promise<void> {
      await api.deleteMessage(roomId, seq);
      update(roomId, (chat) => withChanged(chat, seq, deleted));
    },

    /** Sends again what was not acknowledged before the connection went away. */
    flush(roomId: string): void {
      for (const pending of chatOf(store.getState(), roomId).pending)
        if (pending.status === 'sending') void deliver(roomId, pending);
    },

    /** The room that the person is looking at; undefined while the page is hidden. */
    look(roomId: string | undefined): void {
      looking = roomId;
      if (!roomId) return;
      const chat = chatOf(store.getState(), roomId);
      if (chat.ready) markRead(roomId);
      if (chat.unread > 0) update(roomId, (now) => ({ ...now, unread: 0 }));
    },

    typing(roomId: string, active: boolean): void {
      const last = typedAt.get(roomId);
      if (active && last !== undefined && Date.now() - last < TYPING_EVERY_MS) return;
      if (!active && last === undefined) return;
      if (active) typedAt.set(roomId, Date.now());
      else typedAt.delete(roomId);
      try {
        socket.send('chat.typing', { room_id: roomId, typing: active });
      } catch {
        // Only of the moment: nothing to do while away.
      }
    },

    handle(event: SignalEvent): void {
      if (event.type === 'chat.message.created') {
        const message = event.payload;
        update(message.room_id, (chat) =>
          withCreated(chat, message, message.user_id === myUserId(), looking === message.room_id),
        );
        if (looking === message.room_id) markRead(message.room_id);
      } else if (event.type === 'chat.message.edited') {
        update(event.payload.room_id, (chat) => withChanged(chat, event.payload.seq, () => event.payload));
      } else if (event.type === 'chat.message.deleted') {
        update(event.payload.room_id, (chat) => withChanged(chat, event.payload.seq, deleted));
      } else if (event.type === 'chat.typing' && event.from !== socket.current.peerId) {
        const { room_id, typing } = event.payload;
        update(room_id, (chat) =>
          withTyping(chat, event.from, typing ? Date.now() + TYPING_LAPSES_MS : undefined),
        );
      } else if (event.type === 'room.left') {
        update(event.payload.room_id, (chat) => withTyping(chat, event.payload.peer_id, undefined));
      }
    },
  };
}

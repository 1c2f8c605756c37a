// Talking: sends messages until they are acknowledged, reads history, fills gaps after a loss, tells who is typing.

import type { Api } from '../lib/api';
import { newId } from '../lib/ids';
import { NotConnected, type Socket } from '../lib/ws';
import type { SignalEvent } from '../protocol/signal';
import {
  type ChatStore,
  chatOf,
  merge,
  type PendingMessage,
  TYPING_LAPSES_MS,
  updateRoom,
  withCreated,
  withoutPending,
  withPending,
  withTyping,
} from './chatStore';
import { failureOf } from './sessions';

export const MAX_TEXT_CHARS = 8_000;
const PAGE = 50;
/** How often "is typing" is repeated while somebody types. */
const TYPING_EVERY_MS = 3_000;

export function createChatActions(
  api: Pick<Api, 'messages'>,
  socket: Socket,
  store: ChatStore,
  myUserId: () => string | undefined,
) {
  let looking: string | undefined;
  const typedAt = new Map<string, number>();

  const update = (roomId: string, change: Parameters<typeof updateRoom>[2]) =>
    store.setState((state) => updateRoom(state, roomId, change));

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

    /** Reads the newest page; after a loss, every page back to what is known. */
    async refresh(roomId: string, lastSeq: number): Promise<void> {
      const known = chatOf(store.getState(), roomId).messages.at(-1)?.seq;
      await loadPage(roomId, undefined);
      if (known === undefined) return;
      for (;;) {
        const { messages } = chatOf(store.getState(), roomId);
        const after = messages.find((message) => message.seq > known);
        if (!after || after.seq === known + 1 || known >= lastSeq) return;
        const before = messages.length;
        await loadPage(roomId, after.seq);
        if (chatOf(store.getState(), roomId).messages.length === before) return;
      }
    },

    /** Sends again what was not acknowledged before the connection went away. */
    flush(roomId: string): void {
      for (const pending of chatOf(store.getState(), roomId).pending)
        if (pending.status === 'sending') void deliver(roomId, pending);
    },

    /** The room that the person is looking at; undefined while the page is hidden. */
    look(roomId: string | undefined): void {
      looking = roomId;
      if (roomId && chatOf(store.getState(), roomId).unread > 0)
        update(roomId, (chat) => ({ ...chat, unread: 0 }));
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

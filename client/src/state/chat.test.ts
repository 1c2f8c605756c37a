import { describe, expect, it, vi } from 'vitest';
import type { Socket } from '../lib/ws';
import { NotConnected, SignalError } from '../lib/ws';
import type { ChatMessage } from '../protocol/rest';
import type { SignalEvent } from '../protocol/signal';
import { createChatActions } from './chatActions';
import {
  type ChatState,
  chatOf,
  createChatStore,
  EMPTY_CHAT,
  FOLLOWED,
  merge,
  withCreated,
  withoutOldest,
} from './chatStore';

function message(seq: number, change: Partial<ChatMessage> = {}): ChatMessage {
  return {
    room_id: 'r',
    seq,
    user_id: 'bob',
    name: 'Bob',
    text: `m${seq}`,
    created_at: seq * 1000,
    ...change,
  };
}

describe('merge', () => {
  it('keeps the order and each message once, wherever it comes from', () => {
    let chat = merge(EMPTY_CHAT, [message(4), message(5)]);
    chat = merge(chat, [message(2), message(3), message(4)]);
    chat = merge(chat, [message(6)]);
    expect(chat.messages.map((one) => one.seq)).toEqual([2, 3, 4, 5, 6]);
  });
});

describe('withCreated', () => {
  it('replaces the pending copy of an own message', () => {
    const chat = withCreated(
      { ...EMPTY_CHAT, pending: [{ clientId: 'c', text: 'x', createdAt: 1, status: 'sending' }] },
      message(1, { client_id: 'c', user_id: 'me' }),
      true,
      false,
    );
    expect(chat.pending).toEqual([]);
    expect(chat.unread).toBe(0);
  });

  it('counts as unread only what is new, from others, and not in sight', () => {
    let chat = withCreated(EMPTY_CHAT, message(1), false, false);
    chat = withCreated(chat, message(1), false, false);
    chat = withCreated(chat, message(2), false, true);
    expect(chat.unread).toBe(1);
  });
});

describe('withoutOldest', () => {
  const long = merge(
    { ...EMPTY_CHAT, more: false },
    Array.from({ length: 2 * FOLLOWED }, (_, at) => message(at + 1)),
  );

  it('keeps the newest of many, and knows that there are others', () => {
    const chat = withoutOldest(long);
    expect(chat.messages.map(({ seq }) => seq)).toEqual(
      Array.from({ length: FOLLOWED }, (_, at) => FOLLOWED + at + 1),
    );
    expect(chat.more).toBe(true);
    expect(withoutOldest(chat)).toBe(chat);
  });

  it('keeps all while a page is on its way, which would leave a gap', () => {
    expect(withoutOldest({ ...long, loading: true }).messages).toHaveLength(2 * FOLLOWED);
  });
});

describe('chat actions', () => {
  function harness() {
    const store = createChatStore();
    const sendForAck = vi.fn<(type: string, payload: { client_id: string }) => Promise<unknown>>();
    const send = vi.fn();
    const messages =
      vi.fn<(room: string, before: number | undefined, limit: number) => Promise<ChatMessage[]>>();
    const editMessage = vi.fn(async (_: string, seq: number, text: string) =>
      message(seq, { text, edited_at: 5 }),
    );
    const socket = { sendForAck, send, current: { status: 'online', peerId: 'p', attempt: 0 } };
    const read = new Map<string, number>();
    const actions = createChatActions(
      { messages, editMessage, deleteMessage: async () => ({}) },
      socket as unknown as Socket,
      store,
      () => 'me',
      { get: (roomId) => read.get(roomId), set: (roomId, seq) => read.set(roomId, seq) },
    );
    const chat = () => chatOf(store.getState() as ChatState, 'r');
    const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
    return { actions, sendForAck, messages, send, chat, settle, read };
  }

  it('sends once more with the same client_id after a failure', async () => {
    const { actions, sendForAck, chat, settle } = harness();
    sendForAck.mockRejectedValueOnce(new SignalError('STORE_UNAVAILABLE', ''));
    actions.send('r', ' hello ');
    await settle();
    expect(chat().pending).toMatchObject([{ text: 'hello', status: 'failed', error: 'STORE_UNAVAILABLE' }]);
    sendForAck.mockResolvedValueOnce({});
    actions.retry('r', chat().pending[0]?.clientId ?? '');
    await settle();
    const ids = sendForAck.mock.calls.map(([, payload]) => payload.client_id);
    expect(ids[0]).toBe(ids[1]);
  });

  it('keeps a message through a lost connection and sends it when it is back', async () => {
    const { actions, sendForAck, chat, settle } = harness();
    sendForAck.mockRejectedValueOnce(new NotConnected());
    actions.send('r', 'hello');
    await settle();
    expect(chat().pending).toMatchObject([{ status: 'sending' }]);
    sendForAck.mockResolvedValueOnce({});
    actions.flush('r');
    expect(sendForAck).toHaveBeenCalledTimes(2);
  });

  it('does not call a message failed that was stored although the answer got lost', async () => {
    const { actions, sendForAck, chat, settle } = harness();
    let fail: (error: Error) => void = () => {};
    sendForAck.mockReturnValueOnce(new Promise((_, reject) => (fail = reject)));
    actions.send('r', 'hello');
    const clientId = sendForAck.mock.calls[0]?.[1].client_id ?? '';
    const payload = message(1, { client_id: clientId, user_id: 'me' });
    actions.handle({ type: 'chat.message.created', id: 'e', from: 'server', payload });
    fail(new SignalError('TIMEOUT', ''));
    await settle();
    expect(chat().pending).toEqual([]);
    expect(chat().messages).toHaveLength(1);
  });

  it('counts what came while no page was open, and nothing in a room that is new to this browser', async () => {
    const { actions, messages, chat, read } = harness();
    messages.mockResolvedValue([message(1), message(2), message(3, { user_id: 'me' }), message(4)]);
    await actions.refresh('r');
    expect(chat().unread).toBe(0);
    expect(read.get('r')).toBe(4);
    read.set('r', 1);
    await actions.refresh('r');
    expect(chat().unread).toBe(2);
    actions.look('r');
    expect(chat().unread).toBe(0);
    expect(read.get('r')).toBe(4);
  });

  it('reads again after a loss what is loaded: gaps are filled, and changes seen', async () => {
    const { actions, messages, chat } = harness();
    const page = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, at) => message(from + at));
    messages.mockResolvedValueOnce(page(1, 10));
    await actions.refresh('r');
    const gone = message(7, { text: '', deleted_at: 9 });
    messages
      .mockResolvedValueOnce(page(71, 120))
      .mockResolvedValueOnce(page(21, 70))
      .mockResolvedValueOnce([...page(1, 6), gone, ...page(8, 20)]);
    await actions.refresh('r');
    expect(chat().messages.map((one) => one.seq)).toEqual(page(1, 120).map((one) => one.seq));
    expect(messages.mock.calls.slice(1).map(([, before]) => before)).toEqual([undefined, 71, 21]);
    expect(chat().messages[6]).toEqual(gone);
    expect(chat()).toMatchObject({ more: false, loading: false });
  });

  it('after a long loss keeps what follows on the newest and nothing with a hole before it', async () => {
    const { actions, messages, chat } = harness();
    messages.mockResolvedValueOnce([message(1)]);
    await actions.refresh('r');
    messages.mockImplementation(async (_, before = 1001) =>
      Array.from({ length: 50 }, (_, at) => message(before - 50 + at)),
    );
    await actions.refresh('r');
    const seqs = chat().messages.map((one) => one.seq);
    expect([seqs.length, seqs[0], seqs.at(-1), chat().more]).toEqual([500, 501, 1000, true]);
  });

  it('shows edits and deletions of what is loaded, the last change whichever comes first', async () => {
    const { actions, messages, chat } = harness();
    messages.mockResolvedValueOnce([message(3), message(4)]);
    await actions.refresh('r');
    const changed = (type: string, payload: unknown) =>
      actions.handle({ type, id: 'e', from: 'server', payload } as SignalEvent);
    changed('chat.message.edited', message(3, { text: 'second', edited_at: 20 }));
    changed('chat.message.edited', message(3, { text: 'first', edited_at: 10 }));
    changed('chat.message.created', message(3));
    expect(chat().messages[0]).toMatchObject({ text: 'second' });
    await actions.edit('r', 4, ' mine ');
    expect(chat().messages[1]).toMatchObject({ text: 'mine', edited_at: 5 });
    changed('chat.message.deleted', { room_id: 'r', seq: 3 });
    changed('chat.message.edited', message(3, { text: 'late', edited_at: 30 }));
    expect(chat().messages[0]).toMatchObject({ text: '' });
    changed('chat.message.edited', message(1, { text: 'not loaded', edited_at: 30 }));
    expect(chat().messages.map((one) => one.seq)).toEqual([3, 4]);
  });

  it('refuses empty and overlong texts', () => {
    const { actions, sendForAck } = harness();
    expect(actions.send('r', '  \n ')).toBe(false);
    expect(actions.send('r', 'x'.repeat(8001))).toBe(false);
    expect(sendForAck).not.toHaveBeenCalled();
  });

  it('tells that one types at most every few seconds, and when one stops', () => {
    const { actions, send } = harness();
    for (let i = 0; i < 10; i++) actions.typing('r', true);
    actions.typing('r', false);
    actions.typing('r', false);
    expect(send.mock.calls.map(([, payload]) => payload.typing)).toEqual([true, false]);
  });
});

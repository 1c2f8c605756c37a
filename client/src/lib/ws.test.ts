import { describe, expect, it, vi } from 'vitest';
import { ApiError } from './api';
import { NotConnected, pauseBefore, Socket } from './ws';

/** A socket and a clock in the test's hand. */
function harness() {
  const sockets: FakeSocket[] = [];
  const timers: { run: () => void; ms: number }[] = [];
  const ticket = vi.fn(async () => 'ticket');
  class FakeSocket {
    readyState = 1;
    sent: { type: string; id: string; payload: Record<string, unknown> }[] = [];
    onmessage: ((event: { data: string }) => void) | null = null;
    onclose: ((event: { code: number }) => void) | null = null;
    constructor(readonly path: string) {
      sockets.push(this);
    }
    send(text: string) {
      this.sent.push(JSON.parse(text));
    }
    close() {}
    receive(type: string, payload: unknown) {
      this.onmessage?.({ data: JSON.stringify({ type, id: 'e', from: 'server', payload }) });
    }
    drop(code: number) {
      this.readyState = 3;
      this.onclose?.({ code });
    }
  }
  vi.stubGlobal('WebSocket', { OPEN: 1 });
  const socket = new Socket({
    ticket,
    open: (path) => new FakeSocket(path) as unknown as WebSocket,
    random: () => 1,
    timers: {
      setTimeout: (run, ms) => timers.push({ run, ms }),
      clearTimeout: (id) => {
        const timer = timers[id - 1];
        if (timer) timer.run = () => {};
      },
    },
  });
  const last = () => sockets.at(-1) as FakeSocket;
  const settle = () => new Promise((resolve) => setTimeout(resolve, 0));
  const online = async (peer = 'p1', resume = 'r1') => {
    socket.start();
    await settle();
    last().receive('system.welcome', { peer_id: peer, user_id: 'u', device_id: 'd', resume, protocol: 1 });
  };
  return { socket, sockets, timers, ticket, last, settle, online };
}

describe('Socket', () => {
  it('opens with a ticket and is online after the welcome', async () => {
    const { socket, online, last } = harness();
    await online();
    expect(last().path).toBe('/ws?token=ticket');
    expect(socket.current).toMatchObject({ status: 'online', peerId: 'p1' });
  });

  it('reconnects with a fresh ticket, the resume token and how much it has seen', async () => {
    const { socket, online, last, timers, ticket, settle } = harness();
    await online();
    last().receive('ack', { ref: 'x' });
    // Not understood, yet received.
    last().receive('of.another.time', {});
    last().receive('room.left', { room_id: 5 });
    last().drop(1006);
    expect(socket.current.status).toBe('reconnecting');
    timers.at(-1)?.run();
    await settle();
    expect(ticket).toHaveBeenCalledTimes(2);
    expect(last().path).toBe('/ws?token=ticket&resume=r1&seq=3');
  });

  it('asks to sign in again after 4401, and stops trying', async () => {
    const { socket, online, last, timers } = harness();
    await online();
    last().drop(4401);
    expect(socket.current.status).toBe('signed-out');
    expect(timers).toHaveLength(0);
  });

  it('is signed out when no ticket is given any more, but retries when the server is away', async () => {
    const { socket, ticket, settle, timers } = harness();
    ticket.mockRejectedValueOnce(new ApiError(0, 'NETWORK', ''));
    socket.start();
    await settle();
    expect(socket.current.status).toBe('reconnecting');
    ticket.mockRejectedValueOnce(new ApiError(401, 'UNAUTHENTICATED', ''));
    timers.at(-1)?.run();
    await settle();
    expect(socket.current.status).toBe('signed-out');
  });

  it('tries soon after 1012 and late after 4429', async () => {
    const soon = harness();
    await soon.online();
    soon.last().drop(1012);
    const late = harness();
    await late.online();
    late.last().drop(4429);
    expect(soon.timers.at(-1)?.ms).toBeLessThanOrEqual(500);
    expect(late.timers.at(-1)?.ms).toBe(15_000);
  });

  it('resolves with the ack of its own message and rejects with its error', async () => {
    const { socket, online, last } = harness();
    await online();
    const stored = socket.sendForAck('chat.message.create', { room_id: 'r', client_id: 'c', text: 't' });
    const refused = socket.sendForAck('chat.message.create', { room_id: 'r', client_id: 'd', text: 't' });
    const [first, second] = last().sent;
    last().receive('error', { code: 'STORE_UNAVAILABLE', detail: 'later', ref: second?.id });
    last().receive('ack', { ref: first?.id, seq: 7 });
    await expect(stored).resolves.toMatchObject({ payload: { seq: 7 } });
    await expect(refused).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('fails what waits when the connection goes, and refuses to send while away', async () => {
    const { socket, online, last } = harness();
    await online();
    const waiting = socket.sendForAck('chat.message.create', { room_id: 'r', client_id: 'c', text: 't' });
    last().drop(1006);
    await expect(waiting).rejects.toBeInstanceOf(NotConnected);
    expect(() => socket.send('chat.typing', { room_id: 'r', typing: true })).toThrow(NotConnected);
  });

  it('ignores what it does not know or cannot read', async () => {
    const { socket, online, last } = harness();
    vi.spyOn(console, 'debug').mockImplementation(() => {});
    await online();
    const events = vi.fn();
    socket.onEvent(events);
    last().receive('some.new.type', {});
    last().receive('room.left', { room_id: 5 });
    last().onmessage?.({ data: '{' });
    last().onmessage?.({ data: '[]' });
    expect(events).not.toHaveBeenCalled();
    expect(socket.current.status).toBe('online');
  });
});

describe('pauseBefore', () => {
  it('grows, stays below its ceiling and never vanishes', () => {
    expect(pauseBefore(0, () => 0)).toBe(125);
    expect(pauseBefore(0, () => 1)).toBe(500);
    expect(pauseBefore(3, () => 1)).toBe(4_000);
    expect(pauseBefore(50, () => 1)).toBe(15_000);
  });
});

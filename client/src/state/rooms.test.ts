import { describe, expect, it, vi } from 'vitest';
import type { Socket } from '../lib/ws';
import type { Peer, SignalEvent } from '../protocol/signal';
import { machinesOf, peopleOf } from './presence';
import { createRoomActions } from './roomActions';
import { createRoomStore, type RoomView } from './roomStore';
import { SessionRouter, tokenSource } from './sessions';
import { isBusy, isOpen, type TransferView } from './transferStore';

function peer(id: string, change: Partial<Peer> = {}): Peer {
  return {
    peer_id: id,
    user_id: 'u1',
    name: 'Alice',
    device_id: `d-${id}`,
    device_name: '',
    kind: 'page',
    status: 'online',
    offers: [],
    ...change,
  };
}

const event = <T extends SignalEvent['type']>(type: T, payload: unknown, from = 'server') =>
  ({ type, id: 'e', from, payload }) as SignalEvent;

function harness() {
  const store = createRoomStore();
  const relay = vi.fn();
  const send = vi.fn();
  const joined = vi.fn();
  const actions = createRoomActions(
    { relay, send, current: { peerId: 'p1' } } as unknown as Socket,
    store,
    joined,
  );
  const welcome = (peerId: string) =>
    actions.handle(event('system.welcome', { peer_id: peerId, user_id: 'u1', protocol: 1 }));
  const state = (peers: Peer[]) =>
    actions.handle(
      event('room.state', {
        room_id: 'r',
        name: 'Home',
        role: 'owner',
        members: [{ user_id: 'u1', name: 'Alice', role: 'owner' }],
        peers,
        shares: [{ share_id: 's', feature: 'terminal', peer_id: 'a', user_id: 'u1', label: 'bash' }],
        last_seq: 3,
      }),
    );
  return {
    store,
    relay,
    send,
    joined,
    actions,
    welcome,
    state,
    room: () => store.getState().rooms.r as RoomView,
  };
}

describe('rooms', () => {
  it('are joined once, and again for every new peer, but not after a resume', () => {
    const { actions, relay, welcome } = harness();
    actions.enter('r');
    actions.enter('r');
    expect(relay).toHaveBeenCalledTimes(1);
    welcome('p1');
    expect(relay).toHaveBeenCalledTimes(2);
    actions.handle(event('system.resync', {}));
    expect(relay).toHaveBeenCalledTimes(2);
    welcome('p1');
    expect(relay).toHaveBeenCalledTimes(2);
    actions.handle(event('system.resync', {}));
    expect(relay).toHaveBeenCalledTimes(3);
  });

  it('follow who comes, changes and goes; the shares of who goes end', () => {
    const { actions, state, room, joined } = harness();
    state([peer('p1'), peer('a', { kind: 'agent' })]);
    expect(joined).toHaveBeenCalledWith('r');
    actions.handle(event('room.joined', { room_id: 'r', ...peer('p2', { user_id: 'u2', name: 'Bob' }) }));
    expect(room().members.map((member) => member.name)).toEqual(['Alice', 'Bob']);
    actions.handle(
      event('presence.changed', {
        room_id: 'r',
        ...peer('p2', { user_id: 'u2', name: 'Bob', status: 'away' }),
      }),
    );
    expect(room().peers.p2?.status).toBe('away');
    actions.handle(event('room.left', { room_id: 'r', peer_id: 'a' }));
    expect(Object.keys(room().peers)).toEqual(['p1', 'p2']);
    expect(room().shares).toEqual([]);
    actions.handle(event('room.left', { room_id: 'r', peer_id: 'p1' }));
    expect(room()).toBeUndefined();
  });
});

describe('members', () => {
  it('change at once, and their own role with them', () => {
    const { actions, state, room } = harness();
    state([peer('p1')]);
    const changed = (user_id: string, name: string, role: string) =>
      actions.handle(event('room.member.changed', { room_id: 'r', user_id, name, role }));
    changed('u2', 'Bob', 'guest');
    expect(room().members.at(-1)).toEqual({ user_id: 'u2', name: 'Bob', role: 'guest' });
    expect(room().role).toBe('owner');
    changed('u1', 'Alice', 'moderator');
    expect(room().role).toBe('moderator');
    actions.handle(event('room.member.removed', { room_id: 'r', user_id: 'u2' }));
    expect(room().members.map((member) => member.user_id)).toEqual(['u1']);
  });

  it('come in when they are let in, and stay out when they are not', () => {
    const { actions, store, relay } = harness();
    actions.enter('r');
    actions.handle(event('room.admitted', { room_id: 'r' }));
    expect(relay).toHaveBeenCalledTimes(2);
    actions.handle(event('room.refused', { room_id: 'r' }));
    expect(store.getState()).toMatchObject({ wanted: [], refused: { r: 'NOT_ADMITTED' } });
  });
});

describe('presence', () => {
  it('groups pages into people and keeps machines apart', () => {
    const { state, room } = harness();
    state([
      peer('me'),
      peer('other', { status: 'away' }),
      peer('box', { kind: 'agent', device_name: 'devbox', user_id: 'u2' }),
      // A command that runs beside the daemon: the same machine, which it must not hide.
      peer('cli', { kind: 'agent', device_name: 'zzz', device_id: 'd-mine' }),
      peer('mine', { kind: 'agent', device_name: 'zzz', offers: ['terminal', 'file'] }),
    ]);
    const [alice] = peopleOf(room(), 'u1', 'me');
    expect(alice).toMatchObject({ isMe: true, availability: 'online' });
    expect(alice?.pages.map((page) => page.peer_id)).toEqual(['other']);
    expect(machinesOf(room(), 'u1').map((machine) => machine.name)).toEqual(['zzz', 'devbox']);
    expect(machinesOf(room(), 'u1')[0]).toMatchObject({
      terminal: { peer_id: 'mine' },
      files: { peer_id: 'mine' },
    });
  });
});

describe('sessions', () => {
  it('hear only their own remote peer; the server alone may revoke', () => {
    const router = new SessionRouter();
    const handle = vi.fn();
    const off = router.register('s', 'bob', handle);
    const payload = { room_id: 'r', session_id: 's' };
    expect(router.deliver(event('share.accept', payload, 'mallory'))).toBe(false);
    expect(router.deliver(event('share.accept', payload, 'bob'))).toBe(true);
    expect(router.deliver(event('cap.revoked', payload, 'server'))).toBe(true);
    off();
    expect(router.deliver(event('share.accept', payload, 'bob'))).toBe(false);
    expect(handle).toHaveBeenCalledTimes(2);
  });

  it('ask for a fresh token shortly before the old one runs out', async () => {
    vi.useFakeTimers({ now: 1_000_000 });
    let made = 0;
    const token = tokenSource(
      { capability: async () => ({ cap_token: `t${++made}`, exp: Date.now() / 1000 + 120 }) },
      { room_id: 'r', peer_id: 'p', caps: [] },
    );
    expect([await token(), await token()]).toEqual(['t1', 't1']);
    vi.advanceTimersByTime(95_000);
    expect(await token()).toBe('t2');
    vi.useRealTimers();
  });
});

describe('transfers', () => {
  it('hold the page open only while something would be lost', () => {
    const transfer = (phase: TransferView['phase']) => ({ transfers: { s: { phase } as TransferView } });
    expect(
      ['offered', 'asking', 'done', 'failed'].map((phase) =>
        isBusy(transfer(phase as TransferView['phase'])),
      ),
    ).toEqual([false, false, false, false]);
    expect(isBusy(transfer('moving'))).toBe(true);
    expect(isOpen({ phase: 'offered' } as TransferView)).toBe(true);
  });
});

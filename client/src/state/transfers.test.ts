// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from 'vitest';
import { historyText, pastTransfers } from '../lib/transfer/history';
import type { Peer } from '../protocol/signal';
import { createRoomStore } from './roomStore';
import { SessionRouter } from './sessions';
import { createTransferActions, type TransferDeps } from './transferActions';
import { noteOver } from './transferMemory';
import { createTransferStore, type TransferView } from './transferStore';

const bob = {
  peer_id: 'p2',
  user_id: 'bob',
  device_id: 'd2',
  name: 'bob',
  device_name: 'mill',
  kind: 'page',
  offers: ['file'],
} as unknown as Peer;

const list = (account: string) => pastTransfers(historyText(), account, 10);
const state = (...transfers: TransferView[]) => ({
  transfers: Object.fromEntries(transfers.map((one) => [one.sessionId, one])),
});

function view(change: Partial<TransferView> = {}): TransferView {
  return {
    sessionId: 's1',
    roomId: 'r1',
    peerId: 'p2',
    userId: 'bob',
    peerName: 'bob',
    deviceName: 'mill',
    peerKind: 'page',
    direction: 'out',
    name: 'a.txt',
    size: 5,
    count: 1,
    files: [{ path: 'a.txt', size: 5, verified: true }],
    phase: 'moving',
    moved: 0,
    prepared: 5,
    rate: 0,
    startedAt: 0,
    ...change,
  };
}

/** A page that is signed in as alice, up to its socket. */
function page() {
  const sent: { type: string; reason?: string }[] = [];
  const store = createTransferStore();
  const never = new Promise<never>(() => {});
  const deps = {
    api: { capability: () => never, ice: () => never },
    socket: {
      current: { status: 'online', peerId: 'p1', attempt: 0 },
      send: (type: string, { reason }: { reason?: string }) =>
        sent.push({ type, ...(reason ? { reason } : {}) }),
      relay: () => {},
    },
    router: new SessionRouter(),
    store,
    rooms: createRoomStore(),
    verify: () => never,
    hash: { blob: () => never },
    account: () => 'alice',
  } as unknown as TransferDeps;
  return { actions: createTransferActions(deps), store, sent };
}

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});

describe('transfers of an account that signs out', () => {
  it('end, are told to the other side, and are in sight of nobody who signs in next', () => {
    const { actions, store, sent } = page();
    actions.offer('r1', [bob], [{ path: 'a.txt', content: new File(['hello'], 'a.txt') }]);
    expect(Object.values(store.getState().transfers)).toMatchObject([{ phase: 'asking', name: 'a.txt' }]);
    actions.leave();
    expect(store.getState().transfers).toEqual({});
    expect(sent).toEqual([{ type: 'share.cancel', reason: 'cancelled' }]);
    expect(sessionStorage.length).toBe(0);
    const past = pastTransfers(historyText(), 'alice', Date.now());
    expect(past).toMatchObject([{ name: 'a.txt', other: 'bob', outcome: 'cancelled' }]);
    expect(pastTransfers(historyText(), 'bob', Date.now())).toEqual([]);
  });
});

describe('a transfer that comes to its end', () => {
  it('is noted once, as its card says it, without what is in it', () => {
    const moving = view();
    const done = view({ phase: 'done', files: [{ path: 'secret/a.txt', size: 5, verified: true }] });
    noteOver(state(moving), state(), 'alice', 1);
    expect(list('alice')).toEqual([]);
    noteOver(state(done), state(moving), 'alice', 2);
    noteOver(state({ ...done, path: undefined } as unknown as TransferView), state(done), 'alice', 3);
    expect(list('alice')).toEqual([
      {
        account: 'alice',
        sessionId: 's1',
        direction: 'out',
        name: 'a.txt',
        other: 'bob',
        size: 5,
        count: 1,
        outcome: 'done',
        at: 2,
      },
    ]);
    expect(historyText()).not.toContain('secret');
  });

  it('says why it did not arrive, and names a machine by its own name', () => {
    const failed = view({
      phase: 'failed',
      peerKind: 'agent',
      error: { code: 'DISK_FULL', detail: '/home/x' },
    });
    noteOver(state(failed), state(view()), 'alice', 2);
    expect(list('alice')).toMatchObject([{ other: 'mill', outcome: 'failed', code: 'DISK_FULL', at: 2 }]);
    expect(historyText()).not.toContain('/home');
  });

  it('is not noted while it may go on, nor for nobody', () => {
    noteOver(state(view({ phase: 'failed', sourceLost: true })), state(view()), 'alice', 2);
    noteOver(state(view({ phase: 'done' })), state(view()), undefined, 2);
    expect(historyText()).toBe('');
  });
});

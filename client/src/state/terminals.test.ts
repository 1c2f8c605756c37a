// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Peer, Share } from '../protocol/signal';
import type { RoomView } from './roomStore';
import type { TerminalDeps } from './terminalActions';
import { createTerminalLoader } from './terminalLoader';
import { remember, remembered, rememberFront } from './terminalMemory';
import { asItIs, isAway, waitBefore } from './terminalReturn';
import { createTerminalStore, nameOf, newTerminal, terminalsIn } from './terminalStore';

function machine(peerId: string, more: Partial<Peer> = {}): Peer {
  return {
    peer_id: peerId,
    user_id: 'u1',
    name: 'alice',
    device_id: 'd1',
    device_name: 'desk',
    kind: 'agent',
    status: 'online',
    offers: ['terminal'],
    ...more,
  };
}

const share = (id: string, label: string, peerId = 'p2'): Share => ({
  share_id: id,
  feature: 'terminal',
  peer_id: peerId,
  user_id: 'u1',
  label,
});

function room(peers: Peer[], shares: Share[] = []): RoomView {
  return {
    roomId: 'r',
    peers: Object.fromEntries(peers.map((peer) => [peer.peer_id, peer])),
    shares,
  } as unknown as RoomView;
}

describe('a tab that is loaded anew', () => {
  const store = createTerminalStore();
  const loader = () => createTerminalLoader({ store } as unknown as TerminalDeps);

  beforeEach(() => store.setState({ terminals: {} }));
  afterEach(() => sessionStorage.clear());

  it('asks the same machine again, which may be another peer, for the share of the same name', () => {
    remember(newTerminal('a', 'r', machine('p1'), share('s1', 'bash 2', 'p1')));
    remember(newTerminal('b', 'other', machine('p1')));
    rememberFront('a', true);
    const front = loader().comeBack(room([machine('p2')], [share('s7', 'bash'), share('s8', 'bash 2')]));
    const [view, ...more] = terminalsIn(store.getState(), 'r');
    expect(more).toEqual([]);
    expect(view).toMatchObject({ sessionId: front, peerId: 'p2', phase: 'asking', share: { id: 's8' } });
    expect(nameOf(view as NonNullable<typeof view>)).toBe('desk · bash 2');
    // What it did once, it does once: the view has the place of the one before.
    expect(remembered('r').map((one) => one.id)).toEqual([front]);
    expect(remembered('other')).toHaveLength(1);
  });

  it('waits for a machine that is not there', () => {
    remember(newTerminal('a', 'r', machine('p1')));
    expect(loader().comeBack(room([machine('p3', { device_id: 'd3' })]))).toBeUndefined();
    const [view] = terminalsIn(store.getState(), 'r');
    expect(view).toMatchObject({ deviceId: 'd1', phase: 'ended', end: { code: 'gone' }, seen: false });
  });

  it('does not open again what was closed, nor what somebody else watched', () => {
    const one = loader();
    remember(newTerminal('a', 'r', machine('p1')));
    one.close('a');
    expect(remembered()).toEqual([]);
    remember(newTerminal('a', 'r', machine('p1')));
    one.forgetAll();
    one.comeBack(room([machine('p2')]));
    expect(store.getState().terminals).toEqual({});
  });

  it('leaves open what is open', () => {
    const one = loader();
    const open = one.open('r', machine('p1'));
    expect(one.comeBack(room([machine('p1')]))).toBeUndefined();
    expect(Object.keys(store.getState().terminals)).toEqual([open]);
  });
});

it('what nobody wanted is tried again, ever more rarely, and not for ever; what somebody decided is not', () => {
  for (const code of ['CONNECTION', 'gone', 'LEASE_LAPSED']) expect(isAway(code), code).toBe(true);
  for (const code of ['EXIT', 'STOPPED', 'REVOKED', 'declined', undefined]) expect(isAway(code)).toBe(false);
  expect([0, 1, 2, 3].map(waitBefore)).toEqual([500, 1_000, 2_000, 4_000]);
  expect(waitBefore(12)).toBe(30_000);
  expect(waitBefore(24)).toBeUndefined();
});

it('a refusal is final where the machine is still the peer that was asked, and not where that one has left', () => {
  const asked = newTerminal('s', 'r', machine('p1'), undefined);
  const refused = { ...asked, phase: 'ended' as const, end: { code: 'CAP_NOT_ALLOWED', detail: '' } };
  expect(asItIs(refused, machine('p1')).end?.code).toBe('CAP_NOT_ALLOWED');
  for (const now of [machine('p2'), undefined]) expect(isAway(asItIs(refused, now).end?.code)).toBe(true);
});

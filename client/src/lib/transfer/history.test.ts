// @vitest-environment happy-dom
import { beforeEach, describe, expect, it } from 'vitest';
import {
  forgetTransfers,
  historyText,
  type PastTransfer,
  pastTransfers,
  rememberTransfer,
  watchHistory,
} from './history';

const DAY_MS = 24 * 60 * 60_000;

function past(change: Partial<PastTransfer> = {}): PastTransfer {
  return {
    account: 'alice',
    sessionId: 's1',
    direction: 'in',
    name: 'a.txt',
    other: 'bob',
    size: 5,
    count: 1,
    outcome: 'done',
    at: 1000,
    ...change,
  };
}

const list = (account: string, now = 1000) => pastTransfers(historyText(), account, now);
const names = (account: string, now?: number) => list(account, now).map(({ name }) => name);

beforeEach(() => localStorage.clear());

describe('earlier transfers', () => {
  it('are each account’s own, the newest first, and cleared for it alone', () => {
    rememberTransfer(past({ sessionId: '1', name: 'first' }));
    rememberTransfer(past({ sessionId: '2', name: 'hers', account: 'carol' }));
    rememberTransfer(past({ sessionId: '3', name: 'second' }));
    expect(names('alice')).toEqual(['second', 'first']);
    forgetTransfers('alice');
    expect(names('alice')).toEqual([]);
    expect(names('carol')).toEqual(['hers']);
  });

  it('are the last two hundred of thirty days', () => {
    for (let at = 0; at < 250; at++) rememberTransfer(past({ sessionId: `${at}`, name: `${at}`, at }));
    expect(names('alice').length).toBe(200);
    expect(names('alice')[0]).toBe('249');
    expect(names('alice', 31 * DAY_MS)).toEqual([]);
    rememberTransfer(past({ sessionId: 'new', at: 31 * DAY_MS }));
    expect(JSON.parse(historyText()).length).toBe(1);
  });

  it('are not believed when another hand wrote them', () => {
    const good = past();
    const bad = [
      null,
      7,
      {},
      { ...good, at: 'now' },
      { ...good, outcome: 'x' },
      { ...good, direction: 'up' },
    ];
    localStorage.setItem('mesh-transfer-history', JSON.stringify([...bad, good]));
    expect(list('alice')).toEqual([good]);
    for (const text of ['{', '{}', '7']) {
      localStorage.setItem('mesh-transfer-history', text);
      expect(list('alice')).toEqual([]);
    }
  });

  it('tell who watches, here and from another tab', () => {
    let told = 0;
    const stop = watchHistory(() => told++);
    rememberTransfer(past());
    window.dispatchEvent(new StorageEvent('storage', { key: 'mesh-transfer-history' }));
    window.dispatchEvent(new StorageEvent('storage', { key: 'something else' }));
    expect(told).toBe(2);
    stop();
    rememberTransfer(past());
    expect(told).toBe(2);
  });
});

import { describe, expect, it } from 'vitest';
import { afterKey, keySequence, modified, tapped } from './terminalKeys';

const NONE = { ctrl: false, alt: false };
const CTRL = { ctrl: true, alt: false };
const ALT = { ctrl: false, alt: true };

describe('a key of the bar', () => {
  it('sends what xterm sends', () => {
    expect(keySequence('up', NONE, false)).toBe('\x1b[A');
    expect(keySequence('up', NONE, true)).toBe('\x1bOA');
    expect(keySequence('end', NONE, true)).toBe('\x1bOF');
    expect(keySequence('pageUp', NONE, false)).toBe('\x1b[5~');
    expect(keySequence('escape', NONE, false)).toBe('\x1b');
    expect(keySequence('tab', NONE, false)).toBe('\t');
  });

  it('has its modifiers in it', () => {
    expect(keySequence('right', CTRL, true)).toBe('\x1b[1;5C');
    expect(keySequence('left', ALT, false)).toBe('\x1b[1;3D');
    expect(keySequence('up', { ctrl: true, alt: true }, false)).toBe('\x1b[1;7A');
    expect(keySequence('delete', CTRL, false)).toBe('\x1b[3;5~');
    expect(keySequence('tab', ALT, false)).toBe('\x1b\t');
  });
});

describe('a modified character', () => {
  it('is a control character with Ctrl, and has an escape before it with Alt', () => {
    expect(modified('c', CTRL)).toBe('\x03');
    expect(modified('[', CTRL)).toBe('\x1b');
    expect(modified('?', CTRL)).toBe('\x7f');
    expect(modified('b', ALT)).toBe('\x1bb');
    expect(modified('é', ALT)).toBe('\x1bé');
    expect(modified('x', { ctrl: true, alt: true })).toBe('\x1b\x18');
  });

  it('is nothing where Ctrl has no meaning', () => {
    expect(modified('é', CTRL)).toBeUndefined();
    expect(modified('1', CTRL)).toBeUndefined();
  });
});

it('one tap is for one key, two quick ones lock, and the next one frees', () => {
  const once = tapped('off', Number.POSITIVE_INFINITY);
  expect(once).toBe('once');
  expect(afterKey(once)).toBe('off');
  expect(tapped(once, 5_000)).toBe('off');
  const locked = tapped(once, 200);
  expect(locked).toBe('locked');
  expect(afterKey(locked)).toBe('locked');
  expect(tapped(locked, 100)).toBe('off');
});

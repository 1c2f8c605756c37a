import { expect, it } from 'vitest';
import { terminalKey } from './terminalShortcuts';

const WATCHING = { mac: false, held: false, selected: false, fullScreenProgram: false };
const HELD = { ...WATCHING, held: true };

function press(key: string, more: Partial<KeyboardEvent> = {}) {
  return {
    key,
    code: '',
    altKey: false,
    ctrlKey: false,
    metaKey: false,
    shiftKey: false,
    repeat: false,
    ...more,
  };
}
const ctrl = { ctrlKey: true };
const ctrlShift = { ctrlKey: true, shiftKey: true };

it('Ctrl+F searches, but leaves an editor its own key', () => {
  expect(terminalKey(press('f', ctrl), WATCHING)).toBe('search');
  expect(terminalKey(press('f', ctrl), HELD)).toBe('search');
  expect(terminalKey(press('f', ctrl), { ...HELD, fullScreenProgram: true })).toBeUndefined();
  expect(terminalKey(press('F', ctrlShift), { ...HELD, fullScreenProgram: true })).toBe('search');
  expect(terminalKey(press('f'), WATCHING)).toBeUndefined();
});

it('Ctrl+C interrupts the shell of who controls, and copies for who watches', () => {
  expect(terminalKey(press('c', ctrl), { ...HELD, selected: true })).toBeUndefined();
  expect(terminalKey(press('C', ctrlShift), HELD)).toBe('copy');
  expect(terminalKey(press('c', ctrl), { ...WATCHING, selected: true })).toBe('copy');
  expect(terminalKey(press('c', ctrl), WATCHING)).toBeUndefined();
});

it('on a Mac Command is the page’s and Control the shell’s', () => {
  expect(terminalKey(press('f', { metaKey: true }), { ...HELD, mac: true })).toBe('search');
  expect(terminalKey(press('f', ctrl), { ...HELD, mac: true })).toBeUndefined();
  expect(terminalKey(press('c', { metaKey: true }), { ...HELD, mac: true })).toBeUndefined();
});

it('what leaves a terminal stays as it was', () => {
  expect(terminalKey(press('ArrowUp', ctrlShift), HELD)).toBe('bar');
  expect(terminalKey(press('Tab'), WATCHING)).toBe('tab');
  expect(terminalKey(press('Tab'), HELD)).toBeUndefined();
});

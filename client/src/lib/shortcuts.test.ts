// @vitest-environment happy-dom
import { afterEach, describe, expect, it } from 'vitest';
import {
  isMac,
  leavesTerminal,
  type Place,
  placeOf,
  SHELL_KEYS,
  setSingleKeys,
  shortcutOf,
  singleKeys,
} from './shortcuts';

const PC = { mac: false, singleKeys: true };
const MAC = { mac: true, singleKeys: true };

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

describe('a shortcut', () => {
  it('without Alt is known by its character, with or without Shift', () => {
    expect(shortcutOf(press('?', { code: 'Slash', shiftKey: true }), 'page', PC)).toEqual({ kind: 'list' });
    expect(shortcutOf(press('?', { code: 'KeyM', shiftKey: true }), 'page', PC)).toEqual({ kind: 'list' });
    expect(shortcutOf(press('/', { code: 'Slash' }), 'page', PC)).toEqual({ kind: 'write' });
    expect(shortcutOf(press('/', { code: 'Period', shiftKey: true }), 'page', PC)).toEqual({ kind: 'write' });
    expect(shortcutOf(press('a', { code: 'KeyA' }), 'page', PC)).toBeUndefined();
  });

  it('of the palette is Ctrl+K, on a Mac Command+K, also while one writes', () => {
    const ctrl = press('k', { ctrlKey: true });
    const command = press('K', { metaKey: true });
    expect(shortcutOf(ctrl, 'text', PC)).toEqual({ kind: 'palette' });
    expect(shortcutOf(command, 'page', MAC)).toEqual({ kind: 'palette' });
    // Control+K belongs to the text on a Mac, and to the shell in a terminal that one controls.
    expect(shortcutOf(ctrl, 'text', MAC)).toBeUndefined();
    expect(shortcutOf(ctrl, 'taken', PC)).toBeUndefined();
  });

  it('with Alt is known by the place of its digit, whatever it would write', () => {
    expect(shortcutOf(press('1', { code: 'Digit1', altKey: true }), 'page', PC)).toEqual({
      kind: 'tab',
      index: 0,
    });
    expect(shortcutOf(press('ç', { code: 'Digit9', altKey: true }), 'page', PC)).toEqual({
      kind: 'tab',
      index: 8,
    });
    expect(shortcutOf(press('¡', { code: 'Digit1', altKey: true }), 'page', MAC)).toEqual({
      kind: 'tab',
      index: 0,
    });
    expect(shortcutOf(press('0', { code: 'Digit0', altKey: true }), 'page', PC)).toBeUndefined();
    expect(shortcutOf(press('1', { code: 'Digit1' }), 'page', PC)).toBeUndefined();
  });

  it.each(['text', 'watching', 'taken'] satisfies Place[])(
    'of one key does nothing where the focus is %s',
    (place) => {
      expect(shortcutOf(press('?'), place, PC)).toBeUndefined();
      expect(shortcutOf(press('/'), place, PC)).toBeUndefined();
    },
  );

  it('of a tab leaves a field and a watched terminal, but takes no key of a shell and no character of a Mac', () => {
    const key = press('2', { code: 'Digit2', altKey: true });
    const tab = { kind: 'tab', index: 1 };
    expect(shortcutOf(key, 'text', PC)).toEqual(tab);
    expect(shortcutOf(key, 'watching', PC)).toEqual(tab);
    expect(shortcutOf(key, 'watching', MAC)).toEqual(tab);
    expect(shortcutOf(key, 'text', MAC)).toBeUndefined();
    expect(shortcutOf(key, 'taken', PC)).toBeUndefined();
  });

  it.each(['ctrlKey', 'metaKey', 'repeat'] as const)('is none with %s', (flag) => {
    expect(shortcutOf(press('?', { [flag]: true }), 'page', PC)).toBeUndefined();
    expect(
      shortcutOf(press('1', { code: 'Digit1', altKey: true, [flag]: true }), 'page', PC),
    ).toBeUndefined();
  });

  it('of one key can be turned off, and stays so', () => {
    expect(singleKeys()).toBe(true);
    setSingleKeys(false);
    expect(singleKeys()).toBe(false);
    const settings = { mac: false, singleKeys: singleKeys() };
    expect(shortcutOf(press('?'), 'page', settings)).toBeUndefined();
    expect(shortcutOf(press('/'), 'page', settings)).toBeUndefined();
    expect(shortcutOf(press('1', { code: 'Digit1', altKey: true }), 'page', settings)).toBeDefined();
    setSingleKeys(true);
    expect(singleKeys()).toBe(true);
  });
});

describe('a terminal', () => {
  const WINDOWS = { mac: false, held: true };

  it('is left by Ctrl+Shift+ArrowUp, on a Mac by Option+Shift+ArrowUp, whoever controls it', () => {
    const ctrl = press('ArrowUp', { ctrlKey: true, shiftKey: true });
    const option = press('ArrowUp', { altKey: true, shiftKey: true });
    for (const held of [true, false]) {
      expect(leavesTerminal(ctrl, { mac: false, held })).toBe('bar');
      expect(leavesTerminal(option, { mac: true, held })).toBe('bar');
    }
    expect(leavesTerminal(option, WINDOWS)).toBeUndefined();
    expect(leavesTerminal(ctrl, { mac: true, held: true })).toBeUndefined();
  });

  it('under control keeps every other key', () => {
    expect(leavesTerminal(press('ArrowUp'), WINDOWS)).toBeUndefined();
    expect(leavesTerminal(press('ArrowUp', { ctrlKey: true }), WINDOWS)).toBeUndefined();
    expect(leavesTerminal(press('ArrowUp', { shiftKey: true }), WINDOWS)).toBeUndefined();
    const all = { ctrlKey: true, shiftKey: true, altKey: true };
    expect(leavesTerminal(press('ArrowUp', all), WINDOWS)).toBeUndefined();
    expect(leavesTerminal(press('Tab'), WINDOWS)).toBeUndefined();
    expect(leavesTerminal(press('Tab', { shiftKey: true }), WINDOWS)).toBeUndefined();
  });

  it('that is only watched is left by Tab, in both directions', () => {
    const watching = { mac: false, held: false };
    expect(leavesTerminal(press('Tab'), watching)).toBe('tab');
    expect(leavesTerminal(press('Tab', { shiftKey: true }), watching)).toBe('tab');
    expect(leavesTerminal(press('Tab', { ctrlKey: true }), watching)).toBeUndefined();
    expect(leavesTerminal(press('a'), watching)).toBeUndefined();
  });
});

describe('the focus', () => {
  afterEach(() => document.body.replaceChildren());

  function place(html: string): Place {
    document.body.innerHTML = html;
    document.querySelector<HTMLElement>('#here')?.focus();
    return placeOf(document);
  }

  it.each([
    ['', 'page'],
    ['<button id="here">Send</button>', 'page'],
    ['<input id="here" type="checkbox">', 'page'],
    ['<input id="here">', 'text'],
    ['<input id="here" type="search">', 'text'],
    ['<textarea id="here"></textarea>', 'text'],
    ['<select id="here"><option>a</option></select>', 'text'],
    ['<div class="xterm"><textarea id="here"></textarea></div>', 'watching'],
    [
      `<div data-keys="${SHELL_KEYS['data-keys']}"><div class="xterm"><textarea id="here"></textarea></div></div>`,
      'taken',
    ],
    ['<div role="menu"><button id="here">Stop</button></div>', 'taken'],
    ['<button id="here">Behind</button><section role="dialog" aria-modal="true"></section>', 'taken'],
  ])('in %s', (html, expected) => {
    expect(place(html)).toBe(expected);
  });
});

it('a Mac is known by its browser', () => {
  expect(isMac('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15')).toBe(
    true,
  );
  expect(isMac('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0')).toBe(false);
});

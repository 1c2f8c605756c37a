// Which key means what, and where a key belongs to somebody else: to a text, to a shell, to a dialog. No React.

export type Shortcut =
  | { kind: 'palette' }
  | { kind: 'list' }
  | { kind: 'write' }
  | { kind: 'tab'; index: number };

/** What has the focus, as far as keys are concerned. */
export type Place =
  | 'page'
  /** A field where keys write. */
  | 'text'
  /** A terminal that is only watched: its keys go nowhere. */
  | 'watching'
  /** A terminal under control, a menu, or anything under an open dialog. */
  | 'taken';

type Key = Pick<KeyboardEvent, 'key' | 'code' | 'altKey' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'repeat'>;

interface Settings {
  /** On a Mac, Option with a digit writes a character. */
  mac: boolean;
  /** Whether keys count without Alt: WCAG 2.1.4 wants a way to turn them off. */
  singleKeys: boolean;
}

export function shortcutOf(key: Key, place: Place, { mac, singleKeys }: Settings): Shortcut | undefined {
  if (place === 'taken' || key.repeat) return undefined;
  const command = mac ? key.metaKey && !key.ctrlKey : key.ctrlKey && !key.metaKey;
  if (command && !key.altKey && !key.shiftKey && key.key.toLowerCase() === 'k') return { kind: 'palette' };
  if (key.ctrlKey || key.metaKey) return undefined;
  if (key.altKey) {
    // By its place on the keyboard: with Alt, or on a French keyboard, the digit keys give other characters.
    const digit = /^Digit([1-9])$/.exec(key.code)?.[1];
    if (!digit || key.shiftKey || (place === 'text' && mac)) return undefined;
    return { kind: 'tab', index: Number(digit) - 1 };
  }
  if (place !== 'page' || !singleKeys) return undefined;
  // By its character: where it stands differs, and so does whether it takes Shift.
  if (key.key === '?') return { kind: 'list' };
  if (key.key === '/') return { kind: 'write' };
  return undefined;
}

/**
 * The keys that leave a terminal, as a person reads them. Browsers and desktops take Escape, Tab and most letters with these
 * modifiers, and shells use what is left of the letters; macOS keeps Control with the arrows for itself.
 */
export function leaveKeys(mac: boolean): [string, string, string] {
  return mac ? ['Option', 'Shift', '↑'] : ['Ctrl', 'Shift', '↑'];
}

/** Whether a key pressed in a terminal leaves it. To one that is only watched, Tab is as anywhere else in a page. */
export function leavesTerminal(
  key: Key,
  { mac, held }: { mac: boolean; held: boolean },
): 'bar' | 'tab' | undefined {
  const modifier = mac ? key.altKey && !key.ctrlKey : key.ctrlKey && !key.altKey;
  if (key.key === 'ArrowUp' && key.shiftKey && modifier && !key.metaKey) return 'bar';
  if (key.key === 'Tab' && !held && !key.ctrlKey && !key.altKey && !key.metaKey) return 'tab';
  return undefined;
}

const KEYLESS_INPUTS = new Set([
  'button',
  'checkbox',
  'color',
  'file',
  'image',
  'radio',
  'range',
  'reset',
  'submit',
]);

/** An element that sends its keys to a shell carries this attribute. */
export const SHELL_KEYS = { 'data-keys': 'shell' };

export function placeOf(document: Document): Place {
  const focus = document.activeElement;
  if (document.querySelector('[role="dialog"][aria-modal="true"]')) return 'taken';
  if (focus?.closest('[data-keys="shell"], [role="menu"], [role="listbox"]')) return 'taken';
  if (focus?.closest('.xterm')) return 'watching';
  if (!focus?.matches('input, textarea, select, [contenteditable]:not([contenteditable="false"])'))
    return 'page';
  return KEYLESS_INPUTS.has(focus.getAttribute('type') ?? 'text') ? 'page' : 'text';
}

export function isMac(userAgent: string): boolean {
  return /Macintosh|iPhone|iPad/.test(userAgent);
}

const STORED = 'mesh-single-keys';

export function singleKeys(): boolean {
  try {
    return localStorage.getItem(STORED) !== 'off';
  } catch {
    return true;
  }
}

export function setSingleKeys(on: boolean): void {
  try {
    if (on) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, 'off');
  } catch {
    // Storage is off: the keys stay as they are.
  }
}

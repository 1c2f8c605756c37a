// What keys send that a phone's keyboard lacks, as xterm sends them, and what Ctrl and Alt make of the next key. No DOM.

export type KeyName =
  | 'escape'
  | 'tab'
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'home'
  | 'end'
  | 'pageUp'
  | 'pageDown'
  | 'delete';

export interface Modifiers {
  ctrl: boolean;
  alt: boolean;
}

/** Cursor keys: one letter, after CSI, or after SS3 while the program asked for application cursor keys. */
const CURSOR: Partial<Record<KeyName, string>> = {
  up: 'A',
  down: 'B',
  right: 'C',
  left: 'D',
  home: 'H',
  end: 'F',
};
/** Editing keys: a number and a tilde. */
const EDITING: Partial<Record<KeyName, number>> = { delete: 3, pageUp: 5, pageDown: 6 };

export function keySequence(key: KeyName, { ctrl, alt }: Modifiers, applicationCursor: boolean): string {
  const modifier = 1 + (alt ? 2 : 0) + (ctrl ? 4 : 0);
  const letter = CURSOR[key];
  if (letter) {
    if (modifier > 1) return `\x1b[1;${modifier}${letter}`;
    return `${applicationCursor ? '\x1bO' : '\x1b['}${letter}`;
  }
  const number = EDITING[key];
  if (number) return modifier > 1 ? `\x1b[${number};${modifier}~` : `\x1b[${number}~`;
  const plain = key === 'tab' ? '\t' : '\x1b';
  return alt ? `\x1b${plain}` : plain;
}

/** What a typed character becomes; nothing where Ctrl means nothing with it. */
export function modified(text: string, { ctrl, alt }: Modifiers): string | undefined {
  let typed = text;
  if (ctrl) {
    if (text === '?') typed = '\x7f';
    else if (/^[a-z@[\\\]^_ ]$/i.test(text))
      typed = String.fromCharCode(text.toUpperCase().charCodeAt(0) & 0x1f);
    else return undefined;
  }
  return alt ? `\x1b${typed}` : typed;
}

/** A modifier of the key bar: for the next key, or until it is tapped again. */
export type Sticky = 'off' | 'once' | 'locked';

/** Two taps within this time are one double tap. */
const DOUBLE_TAP_MS = 400;

export function tapped(sticky: Sticky, sinceLastTapMs: number): Sticky {
  if (sticky === 'off') return 'once';
  return sticky === 'once' && sinceLastTapMs <= DOUBLE_TAP_MS ? 'locked' : 'off';
}

/** After a key was sent with it. */
export function afterKey(sticky: Sticky): Sticky {
  return sticky === 'once' ? 'off' : sticky;
}

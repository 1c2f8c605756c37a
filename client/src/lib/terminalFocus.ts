// Who has the keyboard when a terminal appears: it takes the focus from nobody but the button that asked for it.

const WRITES = 'input, textarea, select, [contenteditable]';

/** True where the focus is free for a terminal: on nothing, on something hidden, still on `origin`, or at its own controls. */
export function focusIsFree(document: Document, origin: Element | undefined, own: Element | null): boolean {
  const active = document.activeElement;
  if (!active || active === document.body) return true;
  // What was hidden just now keeps the focus until the next frame.
  if (!active.checkVisibility()) return true;
  return active === origin || (own?.contains(active) === true && !active.matches(WRITES));
}

/** What was clicked to get here: where the focus is, unless somebody writes there. */
export function focusOrigin(document: Document): Element | undefined {
  const active = document.activeElement;
  return active && !active.matches(WRITES) ? active : undefined;
}

// Which of the keys pressed in a terminal are the page's: all others go to the shell.

import { leavesTerminal } from './shortcuts';

interface Where {
  mac: boolean;
  held: boolean;
  /** Whether something is selected. */
  selected: boolean;
  /** A program that has the whole screen, such as an editor. */
  fullScreenProgram: boolean;
}

/** The keys that always search, as a person reads them. */
export function searchKeys(mac: boolean): string[] {
  return mac ? ['Command', 'F'] : ['Ctrl', 'Shift', 'F'];
}

/** On a Mac, Command is the page's and Control the shell's, and Command+C is the browser's own. */
export function terminalKey(
  key: Pick<KeyboardEvent, 'key' | 'code' | 'altKey' | 'ctrlKey' | 'metaKey' | 'shiftKey' | 'repeat'>,
  { mac, held, selected, fullScreenProgram }: Where,
): 'bar' | 'tab' | 'search' | 'copy' | undefined {
  const leaves = leavesTerminal(key, { mac, held });
  if (leaves || key.altKey) return leaves;
  const letter = key.key.toLowerCase();
  if (mac) return key.metaKey && !key.ctrlKey && letter === 'f' ? 'search' : undefined;
  if (!key.ctrlKey || key.metaKey) return undefined;
  // An editor has no older lines to search, and a use of its own for the key.
  if (letter === 'f') return key.shiftKey || !held || !fullScreenProgram ? 'search' : undefined;
  if (letter === 'c') return key.shiftKey || (!held && selected) ? 'copy' : undefined;
  return undefined;
}

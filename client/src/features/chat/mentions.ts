// Names of members in a text: found where they are meant, and offered while one is being typed. No React here.

import type { Member } from '../../protocol/signal';

const OFFERED = 6;
const WORD = /[\p{L}\p{N}]/u;

export type Piece = { text: string; mention: boolean };

/** Cuts a text at the names that the server found in it. */
export function splitMentions(text: string, names: readonly string[]): Piece[] {
  if (names.length === 0) return [{ text, mention: false }];
  const escaped = [...names]
    .sort((a, b) => b.length - a.length)
    .map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const named = new RegExp(`(?<![\\p{L}\\p{N}])(@(?:${escaped.join('|')}))(?![\\p{L}\\p{N}])`, 'giu');
  return text
    .split(named)
    .map((piece, at) => ({ text: piece, mention: at % 2 === 1 }))
    .filter((piece) => piece.text !== '');
}

export interface Completion {
  /** Where the `@` stands. */
  from: number;
  names: string[];
}

/** What may be meant by the `@…` before the caret. */
export function completionAt(
  text: string,
  caret: number,
  members: readonly Member[],
): Completion | undefined {
  const from = text.lastIndexOf('@', caret - 1);
  const typed = text.slice(from + 1, caret);
  if (from < 0 || caret < 1 || typed.includes('\n') || WORD.test(text[from - 1] ?? '')) return undefined;
  const begun = typed.toLowerCase();
  const names = members.map((member) => member.name).filter((name) => name.toLowerCase().startsWith(begun));
  // Nothing to add to a name that stands there.
  if (names.length === 0 || names.some((name) => name.toLowerCase() === begun)) return undefined;
  return { from, names: names.slice(0, OFFERED) };
}

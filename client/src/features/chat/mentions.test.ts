import { expect, it } from 'vitest';
import { completionAt, splitMentions } from './mentions';

const member = (name: string) => ({ user_id: name, name, role: 'member' as const });

it('finds the names that are meant, the longest first, and nothing within a word', () => {
  const marked = (text: string) =>
    splitMentions(text, ['Bob', 'Bob Stone', 'Zoë'])
      .filter((piece) => piece.mention)
      .map((piece) => piece.text);
  expect(marked('@bob, and @Bob Stone (@zoë)')).toEqual(['@bob', '@Bob Stone', '@zoë']);
  expect(marked('mail me@bob.example or @bobby')).toEqual([]);
  expect(splitMentions('a.b', ['a.b'])).toEqual([{ text: 'a.b', mention: false }]);
});

it('offers the names that begin as one types, and is silent when there is nothing to add', () => {
  const members = [member('Bob'), member('Bob Stone'), member('alice')];
  expect(completionAt('hello @b', 8, members)).toEqual({ from: 6, names: ['Bob', 'Bob Stone'] });
  expect(completionAt('hello @bob s', 12, members)).toEqual({ from: 6, names: ['Bob Stone'] });
  expect(completionAt('@', 1, members)?.names).toHaveLength(3);
  for (const text of ['hello', 'me@b', '@alice', '@x', '@b\n']) {
    expect(completionAt(text, text.length, members)).toBeUndefined();
  }
});

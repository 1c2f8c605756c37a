import { describe, expect, it } from 'vitest';
import { type Command, matching } from './filter';

const command = (name: string, group = 'Mesh', also?: string): Command => ({
  id: name,
  group,
  name,
  ...(also ? { also } : {}),
  run: () => {},
});
const names = (commands: Command[], typed: string) => matching(commands, typed).map(({ name }) => name);

describe('the palette', () => {
  const all = [
    command('Réglages'),
    command('Room settings', 'Workshop'),
    command('Call bob', 'Workshop', 'ring'),
  ];

  it('finds by any part of any word, without accents and in any order', () => {
    expect(names(all, 'regl')).toEqual(['Réglages']);
    expect(names(all, 'bob ca')).toEqual(['Call bob']);
    expect(names(all, 'ring')).toEqual(['Call bob']);
    expect(names(all, 'workshop')).toEqual(['Room settings', 'Call bob']);
    expect(names(all, '')).toHaveLength(3);
    expect(names(all, 'bob settings')).toEqual([]);
  });

  it('puts what begins so before what holds it somewhere', () => {
    expect(names([command('Stop showing'), command('Show the screen')], 'show')).toEqual([
      'Stop showing',
      'Show the screen',
    ]);
    expect(names([command('Recall'), command('Call bob')], 'call')).toEqual(['Call bob', 'Recall']);
  });
});

import { expect, it } from 'vitest';
import { timeline } from './timeline';

const at = (day: number, hour: number, minute: number) => new Date(2026, 4, day, hour, minute).getTime();
const message = (seq: number, user_id: string, created_at: number) => ({
  room_id: 'r',
  seq,
  user_id,
  name: user_id,
  text: `m${seq}`,
  created_at,
});

it('separates days and joins what one person says in one breath', () => {
  const items = timeline(
    [
      message(1, 'a', at(1, 23, 58)),
      message(2, 'a', at(2, 0, 1)),
      message(3, 'a', at(2, 0, 3)),
      message(4, 'b', at(2, 0, 3)),
      message(5, 'b', at(2, 0, 30)),
    ],
    [{ clientId: 'c', text: 'mine', createdAt: 0, status: 'sending' }],
    { user_id: 'b', name: 'b' },
  );
  expect(
    items.map((item) => (item.kind === 'day' ? 'day' : item.lines.map((line) => line.text).join(' '))),
  ).toEqual(['day', 'm1', 'day', 'm2 m3', 'm4', 'm5 mine']);
});

it('cuts a monologue at the same places however much of it is there', () => {
  const runs = (from: number) => {
    const said = Array.from({ length: 100 - from }, (_, index) => message(from + index, 'a', at(1, 12, 0)));
    const items = timeline(said, [], undefined).filter((item) => item.kind === 'run');
    return items.map((run) => run.lines[0]?.stored?.seq);
  };
  expect(runs(1)).toEqual([1, 32, 48, 64, 80, 96]);
  expect(runs(51)).toEqual([51, 80, 96]);
});

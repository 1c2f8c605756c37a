import { describe, expect, it } from 'vitest';
import { NotACast, parseCast } from './asciicast';
import { CastPlayer } from './castPlayer';

const V2 = [
  '{"version":2,"width":80,"height":24,"timestamp":1700000000,"title":"backup","idle_time_limit":2}',
  '[0.5,"o","$ "]',
  '[1.0,"i","ls"]',
  '[1.5,"o","ls\\r\\n"]',
  '[61.5,"m","paused"]',
  '[62.0,"r","100x30"]',
  '[62.5,"o","done"]',
  '[63.0,"o","cut o',
].join('\n');
const V3 = [
  '{"version":3,"term":{"cols":90,"rows":20,"type":"xterm"}}',
  '# a remark',
  '[0.5,"o","a"]',
  '[0.5,"m",""]',
  '[600,"o","b"]',
  '[0.25,"x","0"]',
].join('\n');

describe('a recording', () => {
  it('of version 2 has absolute times, of which long waits are shortened', () => {
    const cast = parseCast(V2);
    expect(cast).toMatchObject({
      cols: 80,
      rows: 24,
      title: 'backup',
      recordedAt: 1_700_000_000,
      duration: 4.5,
    });
    expect(cast.events).toEqual([
      { at: 0.5, kind: 'output', data: '$ ' },
      { at: 1.5, kind: 'output', data: 'ls\r\n' },
      { at: 3.5, kind: 'marker', data: 'paused' },
      { at: 4, kind: 'resize', data: '100x30' },
      { at: 4.5, kind: 'output', data: 'done' },
    ]);
  });

  it('of version 3 has times between, its size in the terminal, and remarks', () => {
    const cast = parseCast(V3);
    expect(cast).toMatchObject({ cols: 90, rows: 20, recordedAt: undefined, duration: 3.25 });
    expect(cast.events.map(({ at, kind }) => [at, kind])).toEqual([
      [0.5, 'output'],
      [1, 'marker'],
      [3, 'output'],
    ]);
  });

  it('is refused where it is none', () => {
    for (const text of [
      '',
      'hello',
      '[]',
      '{"version":1}',
      '{"version":2}',
      '{"version":2,"width":1e9,"height":24}',
    ])
      expect(() => parseCast(text), text).toThrow(NotACast);
  });
});

describe('a player', () => {
  function played(text: string) {
    const seen: string[] = [];
    const player = new CastPlayer(parseCast(text), {
      write: (output) => seen.push(output),
      resize: (cols, rows) => seen.push(`${cols}x${rows}`),
      reset: () => seen.splice(0),
    });
    return { player, seen };
  }

  it('goes with the clock, at its speed, to the end', () => {
    const { player, seen } = played(V3.replace('[0.5,"m",""]\n', ''));
    player.play(10_000);
    player.tick(10_400);
    expect(seen).toEqual(['90x20']);
    player.tick(10_600);
    expect(seen).toEqual(['90x20', 'a']);
    player.setSpeed(2);
    player.tick(11_600);
    expect(player.state).toMatchObject({ playing: true, position: 2.6 });
    player.tick(12_600);
    expect(seen).toEqual(['90x20', 'a', 'b']);
    expect(player.state).toMatchObject({ playing: false, position: 2.75 });
    player.play(13_000);
    expect(seen).toEqual(['90x20']);
  });

  it('stops at a marker, says which, and goes on from there', () => {
    const { player, seen } = played(V2);
    player.play(0);
    player.tick(60_000);
    expect(player.state).toEqual({ playing: false, position: 3.5, speed: 1, marker: 'paused' });
    expect(seen).toEqual(['80x24', '$ ls\r\n']);
    player.play(100_000);
    player.tick(101_000);
    expect(seen).toEqual(['80x24', '$ ls\r\n', '100x30', 'done']);
    expect(player.state.marker).toBeUndefined();
  });

  it('shows any moment, later or earlier, without stopping at markers', () => {
    const { player, seen } = played(V2);
    player.seek(4);
    expect(seen).toEqual(['80x24', '$ ls\r\n', '100x30']);
    player.seek(0.7);
    expect(seen).toEqual(['80x24', '$ ']);
    player.seek(99);
    expect(player.state.position).toBe(4.5);
  });
});

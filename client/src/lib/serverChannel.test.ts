import { afterEach, beforeEach, expect, test, vi } from 'vitest';

let ServerChannel: typeof import('./serverChannel').ServerChannel;

beforeEach(async () => {
  vi.useFakeTimers({ now: 0 });
  // Its turns begin anew.
  vi.resetModules();
  ({ ServerChannel } = await import('./serverChannel'));
});

afterEach(() => {
  vi.useRealTimers();
});

/** A channel, what it sent, and one at the other end with what came out there. */
function pair() {
  const pieces: [number, string][] = [];
  const near = new ServerChannel((seq, data) => pieces.push([seq, data]));
  const frames: Uint8Array[] = [];
  const far = new ServerChannel(() => {});
  far.onmessage = ({ data }: MessageEvent) => frames.push(new Uint8Array(data));
  const closed = vi.fn();
  far.onclose = closed;
  return { near, pieces, far, frames, closed };
}

const frame = (length: number, fill: number) => new Uint8Array(length).fill(fill);

test('frames arrive whole and in order, small ones together and large ones in pieces', async () => {
  const { near, pieces, far, frames } = pair();
  const sent = [frame(1, 1), frame(0, 0), frame(60_000, 2), frame(65_600, 3), frame(3, 4)];
  for (const one of sent) near.send(one);
  expect(near.bufferedAmount).toBe(125_604 + 5 * 4);
  await vi.runAllTimersAsync();
  expect(near.bufferedAmount).toBe(0);
  expect(pieces.map(([seq]) => seq)).toEqual([0, 1, 2]);
  for (const [seq, data] of pieces) {
    // What the server takes in one message.
    expect(data.length).toBeLessThan(60_100);
    far.take(seq, data);
  }
  expect(frames).toEqual(sent);
});

test('no more than twenty pieces leave in a second, whatever waits', async () => {
  const { near, pieces } = pair();
  const other = new ServerChannel((seq, data) => pieces.push([seq, data]));
  for (let n = 0; n < 40; n++) for (const one of [near, other]) one.send(frame(65_600, 0));
  await vi.advanceTimersByTimeAsync(2_000);
  expect(pieces.length).toBeGreaterThan(30);
  expect(pieces.length).toBeLessThanOrEqual(42);
});

test('a piece that is missing, and the last one, end it', async () => {
  const pieces: [number, string][] = [
    [1, btoa('\0\0\0\0')],
    [0, ''],
  ];
  for (const [seq, data] of pieces) {
    const { far, closed } = pair();
    far.take(seq, data);
    expect(closed).toHaveBeenCalledOnce();
    expect(far.readyState).toBe('closed');
  }
});

test('what waits leaves before the end', async () => {
  const { near, pieces, far, frames, closed } = pair();
  near.send(frame(5, 9));
  near.close();
  for (const [seq, data] of pieces) far.take(seq, data);
  expect(frames).toEqual([frame(5, 9)]);
  expect(closed).toHaveBeenCalledOnce();
});

test('without a connection to the server it ends', async () => {
  const away = new ServerChannel(() => {
    throw new Error('offline');
  });
  const closed = vi.fn();
  away.onclose = closed;
  away.send(frame(1, 1));
  await vi.runAllTimersAsync();
  expect(closed).toHaveBeenCalledOnce();
});

test('a frame over the limit is refused, and so is what is no base64', () => {
  const { far } = pair();
  expect(() => far.take(0, btoa('\0\x01\0\x41'))).toThrow('limit');
  expect(() => pair().far.take(0, '?')).toThrow('base64');
});

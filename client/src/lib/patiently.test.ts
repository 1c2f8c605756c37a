import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { patiently } from './patiently';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('what breaks off is asked for again', async () => {
  const load = vi.fn().mockRejectedValueOnce(new TypeError('network')).mockResolvedValue('part');
  const part = patiently(load);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await part).toBe('part');
  expect(load).toHaveBeenCalledTimes(2);
});

test('what never comes is told', async () => {
  const load = vi.fn().mockRejectedValue(new TypeError('network'));
  const part = patiently(load).catch((error) => error.message);
  await vi.advanceTimersByTimeAsync(8_000);
  expect(await part).toBe('network');
  expect(load).toHaveBeenCalledTimes(5);
});

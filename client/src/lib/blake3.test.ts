import { blake3 as reference } from '@noble/hashes/blake3.js';
import { describe, expect, it } from 'vitest';
import { Blake3, blake3 } from './blake3';

/** The input of the official test vectors: bytes 0…250 repeated. */
function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => i % 251);
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('blake3', () => {
  it('gives the published hash of the empty input', () => {
    expect(hex(blake3(new Uint8Array()))).toBe(
      'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
    );
  });

  it.each([1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3072, 4097, 8193, 31744, 102400, 262144])(
    'agrees with an independent implementation at %i bytes',
    (length) => {
      const data = pattern(length);
      expect(hex(blake3(data))).toBe(hex(reference(data)));
    },
  );

  it('does not depend on how the input is cut, nor on alignment', () => {
    const data = pattern(70_001);
    const expected = hex(blake3(data));
    for (const step of [1, 7, 64, 1000, 1024, 4099]) {
      const hasher = new Blake3();
      for (let at = 0; at < data.length; at += step) hasher.update(data.subarray(at, at + step));
      expect(hex(hasher.digest())).toBe(expected);
    }
    const shifted = new Uint8Array(data.length + 1);
    shifted.set(data, 1);
    expect(hex(blake3(shifted.subarray(1)))).toBe(expected);
  });
});

import decodeQR from 'qr/decode.js';
import { describe, expect, it } from 'vitest';
import { type QrPath, qrPath } from './qr';

/** What a camera sees: the path filled in black on white, some pixels to the module. */
function paint({ size, path }: QrPath, scale = 4) {
  const side = size * scale;
  const data = new Uint8ClampedArray(side * side * 4).fill(255);
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1H\d+z/g))
    for (let row = Number(y) * scale; row < (Number(y) + 1) * scale; row++)
      for (let column = Number(x) * scale; column < (Number(x) + Number(width)) * scale; column++)
        data.fill(0, (row * side + column) * 4, (row * side + column) * 4 + 3);
  return { width: side, height: side, data };
}

describe('a QR code', () => {
  it.each([
    `https://mesh.example.org/invite#token=${'aB3-_'.repeat(8)}xyz`,
    'http://127.0.0.1:8000/link#token=éà',
    'x',
  ])('of %s is read as just that', (link) => {
    expect(decodeQR(paint(qrPath(link)))).toBe(link);
  });

  it('has its quiet zone of four modules', () => {
    const { size, path } = qrPath('https://mesh.example.org/');
    const runs = [...path.matchAll(/M(\d+) (\d+)h(\d+)v1H\d+z/g)].map((run) => run.slice(1).map(Number));
    expect(Math.min(...runs.map(([x = 0]) => x))).toBe(4);
    expect(Math.min(...runs.map(([, y = 0]) => y))).toBe(4);
    expect(Math.max(...runs.map(([x = 0, , width = 0]) => x + width))).toBe(size - 4);
    expect(Math.max(...runs.map(([, y = 0]) => y + 1))).toBe(size - 4);
  });

  it('that would be too large is refused', () => {
    expect(() => qrPath('x'.repeat(2332))).toThrow();
    expect(() => qrPath('x'.repeat(2331))).not.toThrow();
  });
});

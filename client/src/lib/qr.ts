// A QR code as an SVG path: made here, nothing leaves the page. Loaded on demand, never with the first screen.

import encodeQR from 'qr';

/** The white margin that readers need around the code: 4 modules, by ISO/IEC 18004. */
const QUIET_MODULES = 4;

export interface QrPath {
  /** Width and height in modules, the quiet zone included. */
  size: number;
  /** The dark modules, one rectangle for each run of a row. */
  path: string;
}

/** @throws when the text is longer than a QR code holds (2,331 bytes at this level of correction). */
export function qrPath(text: string): QrPath {
  const rows = encodeQR(text, 'raw', { ecc: 'medium', border: QUIET_MODULES });
  const runs = rows.flatMap((row, y) => {
    const found: string[] = [];
    for (let x = 0; x < row.length; x++) {
      const start = x;
      while (row[x]) x++;
      if (x > start) found.push(`M${start} ${y}h${x - start}v1H${start}z`);
    }
    return found;
  });
  return { size: rows.length, path: runs.join('') };
}

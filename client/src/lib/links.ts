// Links in what other people wrote: found in plain text, followed only to http and https, never with an opener.

export type Piece = { text: string } | { text: string; href: string };

const LINK = /https?:\/\/[^\s<>"'`]+/gi;
/** Punctuation that ends a sentence rather than an address. */
const TRAILING = /[.,;:!?)\]}»”’]$/u;

export function safeHref(address: string): string | undefined {
  try {
    const url = new URL(address);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : undefined;
  } catch {
    return undefined;
  }
}

export function splitLinks(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const address = withoutTrailing(match[0]);
    const href = safeHref(address);
    if (!href) continue;
    if (match.index > from) pieces.push({ text: text.slice(from, match.index) });
    pieces.push({ text: address, href });
    from = match.index + address.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
}

function withoutTrailing(address: string): string {
  let kept = address;
  while (TRAILING.test(kept)) {
    // A closing bracket belongs to the address where it was opened in it: wiki/Mesh_(network).
    if (kept.endsWith(')') && kept.split('(').length >= kept.split(')').length) break;
    kept = kept.slice(0, -1);
  }
  return kept;
}

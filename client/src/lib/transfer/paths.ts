// Names of files that a peer sends (docs/protocol.md, section 5). What is refused here never reaches a disk or a page.

const MAX_COMPONENT_BYTES = 255;
const MAX_DEPTH = 32;
const MAX_PATH_BYTES = 4096;
export const MAX_ENTRIES = 100_000;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is refused
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\\:\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$/i;

export function isSafePath(path: string): boolean {
  if (bytes(path) > MAX_PATH_BYTES || !path.isWellFormed()) return false;
  const components = path.split('/');
  return components.length <= MAX_DEPTH && components.every(isSafeComponent);
}

function isSafeComponent(name: string): boolean {
  return (
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    bytes(name) <= MAX_COMPONENT_BYTES &&
    !FORBIDDEN.test(name) &&
    !/[. ]$/.test(name) &&
    !RESERVED.test(name)
  );
}

/** Two paths with the same key would be one file on some disk. */
export function collisionKey(path: string): string {
  return path.normalize('NFC').toLowerCase();
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function numbered(name: string, number: number): string {
  if (number === 0) return name;
  const dot = name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)} (${number})${name.slice(dot)}` : `${name} (${number})`;
}

/** Makes a name of our own disk fit to be sent; names that pass stay as they are. */
export function sendableName(name: string): string {
  if (isSafePath(name) && !name.includes('/')) return name;
  const cleaned = [...name.toWellFormed()]
    .map((char) => (char === '/' || FORBIDDEN.test(char) ? '_' : char))
    .join('');
  const trimmed = cleaned.replace(/[. ]+$/, '');
  const renamed = RESERVED.test(trimmed) ? `_${trimmed}` : trimmed;
  return isSafeComponent(renamed) ? renamed : 'file';
}

/** A path of our own disk made fit to be sent; what is too deep or too long loses its outermost folders. */
export function sendablePath(path: string): string {
  const components = path
    .split('/')
    .filter((one) => one !== '')
    .map(sendableName);
  while (components.length > 1 && !isSafePath(components.join('/'))) components.shift();
  return components.join('/') || 'file';
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

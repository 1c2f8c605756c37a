// How somebody reads terminals on this device: the size of the text, and whether a screen reader hears them.

import type { Zoom } from './terminalZoom';

export const TERMINAL_FONT =
  '"JetBrains Mono Variable", ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace';

const ZOOM = 'mesh-terminal-zoom';
const READER = 'mesh-terminal-reader';

export function storedZoom(): Zoom {
  const stored = read(ZOOM);
  if (stored === 'fit') return 'fit';
  const font = Number(stored);
  return stored !== null && Number.isFinite(font) && font > 0 ? font : 'auto';
}

export function storeZoom(zoom: Zoom): void {
  write(ZOOM, zoom === 'auto' ? undefined : String(zoom));
}

export function storedReaderMode(): boolean {
  return read(READER) === 'on';
}

export function storeReaderMode(on: boolean): void {
  write(READER, on ? 'on' : undefined);
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Storage is off: the choice lasts for this visit.
  }
}

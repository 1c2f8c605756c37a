// Where received files go. Chosen at the click on "Accept", since browsers open their dialogs only then:
//
// - a place on the disk that the person picks, for what is large (browsers with the file system access interface);
// - else the browser's private storage, handed over as an ordinary download once verified;
// - else memory, with a limit that is said before the choice.
//
// A file appears under its name only after its hash was found right.

import type { ManifestFile } from '../../protocol/frames';
import { TransferFault } from './fault';
import { baseName } from './paths';

/** Up to here a file goes the way of every download, without a dialog. */
const ASK_WHERE_FROM_BYTES = 256 * 1024 * 1024;
/** What a page may hold in memory where the browser offers nothing better. */
const MEMORY_LIMIT_BYTES = 512 * 1024 * 1024;
/** The browser reads a blob's address after the click; it is withdrawn well after that. */
const KEEP_DOWNLOAD_MS = 60_000;
const STORAGE_FOLDER = 'incoming';
/** Older leftovers belong to no page that is still at work. */
const LEFTOVER_AFTER_MS = 24 * 60 * 60 * 1000;

export interface FileSink {
  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The content is verified: put it in its place. */
  commit(): Promise<void>;
  abort(): Promise<void>;
}

export interface Sink {
  kind: 'disk' | 'browser' | 'memory';
  open(file: ManifestFile): Promise<FileSink>;
}

interface PickerWindow {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
  showDirectoryPicker?: (options: { mode: 'readwrite' }) => Promise<FileSystemDirectoryHandle>;
}

/** Thrown when the person closes the dialog: not an error. */
export class PickCancelled extends Error {}

/** Whether this browser can take so much at all; `limit` is for the sentence that says so. */
export function memoryLimit(size: number): number | undefined {
  const stores = typeof navigator.storage?.getDirectory === 'function';
  const picks = 'showSaveFilePicker' in window;
  return !stores && !picks && size > MEMORY_LIMIT_BYTES ? MEMORY_LIMIT_BYTES : undefined;
}

/** Must be called from a click. */
export async function chooseSink(offer: { name: string; size: number; count: number }): Promise<Sink> {
  if (offer.size > ASK_WHERE_FROM_BYTES) {
    const picked = await pick(offer);
    if (picked) return picked;
  }
  const stored = await browserSink();
  if (stored) return stored;
  if (offer.size > MEMORY_LIMIT_BYTES)
    throw new TransferFault('TOO_LARGE', 'This browser can only take files that fit into its memory.');
  return memorySink();
}

async function pick(offer: { name: string; count: number }): Promise<Sink | undefined> {
  const pickers = window as unknown as PickerWindow;
  try {
    if (offer.count === 1 && pickers.showSaveFilePicker) {
      const handle = await pickers.showSaveFilePicker({ suggestedName: baseName(offer.name) });
      return { kind: 'disk', open: async () => handleSink(handle) };
    }
    if (offer.count > 1 && pickers.showDirectoryPicker) {
      const folder = await pickers.showDirectoryPicker({ mode: 'readwrite' });
      return { kind: 'disk', open: async (file) => handleSink(await freshFile(folder, file.path)) };
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw new PickCancelled();
    console.debug('no picker', error);
  }
  return undefined;
}

async function handleSink(handle: FileSystemFileHandle, after?: () => Promise<void>): Promise<FileSink> {
  const stream = await handle.createWritable();
  return {
    write: (offset, bytes) => diskErrors(stream.write({ type: 'write', position: offset, data: bytes })),
    commit: async () => {
      await diskErrors(stream.close());
      await after?.();
    },
    abort: () => stream.abort().catch(() => {}),
  };
}

async function diskErrors<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'QuotaExceededError')
      throw new TransferFault('DISK_FULL', 'There is not enough room on this device.');
    throw new TransferFault('IO', error instanceof Error ? error.message : 'The file could not be written.');
  }
}

/** Walks the path and never takes a name that exists: ` (1)`, ` (2)`, … before the extension. */
async function freshFile(folder: FileSystemDirectoryHandle, path: string): Promise<FileSystemFileHandle> {
  const components = path.split('/');
  const name = components.pop() ?? path;
  let at = folder;
  for (const component of components) at = await at.getDirectoryHandle(component, { create: true });
  for (let number = 0; ; number++) {
    const candidate = numbered(name, number);
    const exists = await at.getFileHandle(candidate).then(
      () => true,
      (error) => !(error instanceof DOMException && error.name === 'NotFoundError'),
    );
    if (!exists) return at.getFileHandle(candidate, { create: true });
  }
}

export function numbered(name: string, number: number): string {
  if (number === 0) return name;
  const dot = name.lastIndexOf('.');
  return dot > 0 ? `${name.slice(0, dot)} (${number})${name.slice(dot)}` : `${name} (${number})`;
}

async function browserSink(): Promise<Sink | undefined> {
  if (typeof navigator.storage?.getDirectory !== 'function') return undefined;
  try {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(STORAGE_FOLDER, { create: true });
    // Safari has the storage but not the writable stream on this thread.
    const probe = await folder.getFileHandle('probe', { create: true });
    if (typeof probe.createWritable !== 'function') return undefined;
    return {
      kind: 'browser',
      open: async (file) => {
        const key = `${Date.now()}-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;
        const handle = await folder.getFileHandle(key, { create: true });
        const remove = () => folder.removeEntry(key).catch(() => {});
        const sink = await handleSink(handle, async () => {
          download(await handle.getFile(), baseName(file.path));
          setTimeout(remove, KEEP_DOWNLOAD_MS);
        });
        return {
          ...sink,
          abort: async () => {
            await sink.abort();
            await remove();
          },
        };
      },
    };
  } catch (error) {
    console.debug('no private storage', error);
    return undefined;
  }
}

function memorySink(): Sink {
  return {
    kind: 'memory',
    open: async (file) => {
      let parts: Uint8Array<ArrayBuffer>[] = [];
      return {
        write: async (_offset, bytes) => {
          parts.push(bytes);
        },
        commit: async () => {
          download(new Blob(parts), baseName(file.path));
          parts = [];
        },
        abort: async () => {
          parts = [];
        },
      };
    },
  };
}

/** As a download and never as a page: received HTML or SVG must not run here. */
export function download(content: Blob, name: string): void {
  const address = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  const anchor = document.createElement('a');
  anchor.href = address;
  anchor.download = name;
  anchor.hidden = true;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(address), KEEP_DOWNLOAD_MS);
}

/** What an earlier visit left behind, for example when the page was closed in the middle. */
export async function clearLeftovers(): Promise<void> {
  if (typeof navigator.storage?.getDirectory !== 'function') return;
  try {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(STORAGE_FOLDER);
    for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) {
      const madeAt = Number(name.split('-')[0]);
      if (!(Date.now() - madeAt < LEFTOVER_AFTER_MS)) await folder.removeEntry(name);
    }
  } catch {
    // There is no such folder: nothing was left.
  }
}

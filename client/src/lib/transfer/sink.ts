// Where received files go. Chosen at the click on "Accept", since browsers open their dialogs only then:
//
// - what fits goes to the browser's private storage, where a part outlives the page, and once verified to the folder that
//   the person picked (several files, in browsers that can write into folders), else into the downloads;
// - what does not fit goes straight to the place that the person picks, in browsers that can do that;
// - without any storage (some private windows) it is held in memory, up to a limit.
//
// What this browser can take is said before the choice (`capacity`). A file appears under its name only after its hash
// was found right.

import type { ManifestFile } from '../../protocol/frames';
import { TransferFault } from './fault';
import { diskError, heldPart, openPart } from './parts';
import { baseName, numbered } from './paths';

/** What a page may hold in memory where the browser offers nothing better. */
const MEMORY_LIMIT_BYTES = 256 * 1024 * 1024;
/** So many files go the way of downloads before a folder is asked for. */
const FEW_FILES = 3;
/** A download reads the blob's address after the click; it is withdrawn well after that, for large ones much later. */
const KEEP_DOWNLOAD_MS = 60_000;
const SLOW_DISK_BYTES_PER_MS = 5_000;

export interface FileSink {
  write(offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The content is verified: put it in its place. */
  commit(): Promise<void>;
  /** It ends before that. With `keep`, another attempt may go on from here. */
  close(keep: boolean): Promise<void>;
}

export interface Sink {
  kind: 'disk' | 'browser' | 'memory';
  /** What an earlier attempt left of a file: its beginning. */
  held(file: ManifestFile): Promise<Blob | undefined>;
  /** Opens for writing after the first `keep` bytes. */
  open(file: ManifestFile, keep: number): Promise<FileSink>;
}

interface PickerWindow {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
  showDirectoryPicker?: (options: { mode: 'readwrite' }) => Promise<FileSystemDirectoryHandle>;
}

/** Thrown when the person closes the dialog: not an error. */
export class PickCancelled extends Error {}

export interface Capacity {
  /** Bytes that the browser keeps for this page, or that the page may hold. */
  room: number;
  storage: boolean;
  /** More than that can be written where the person picks. */
  picksFile: boolean;
  picksFolder: boolean;
}

export async function capacity(): Promise<Capacity> {
  const pickers = window as unknown as PickerWindow;
  const picks = { picksFile: !!pickers.showSaveFilePicker, picksFolder: !!pickers.showDirectoryPicker };
  try {
    await navigator.storage.getDirectory();
    const { quota = 0, usage = 0 } = await navigator.storage.estimate();
    return { room: Math.max(0, quota - usage), storage: true, ...picks };
  } catch {
    return { room: MEMORY_LIMIT_BYTES, storage: false, ...picks };
  }
}

/** Whether an offer fits, and whether the person will be asked where it goes. */
export function placeFor(offer: { size: number; count: number; folders: boolean }, can: Capacity) {
  const fits = offer.size <= can.room;
  const several = offer.count > FEW_FILES || offer.folders;
  if (can.picksFolder && (several || (!fits && offer.count > 1))) return { possible: true, asks: 'folder' };
  if (!fits && offer.count === 1 && can.picksFile) return { possible: true, asks: 'file' };
  return { possible: fits, asks: undefined };
}

/** Must be called from a click. */
export async function chooseSink(
  offer: { name: string; size: number; count: number; folders: boolean },
  can: Capacity,
): Promise<Sink> {
  const { possible, asks } = placeFor(offer, can);
  if (!possible) throw new TransferFault('TOO_LARGE', 'This browser has not enough room for it.');
  const fits = offer.size <= can.room && can.storage;
  const pickers = window as unknown as PickerWindow;
  try {
    if (asks === 'folder' && pickers.showDirectoryPicker) {
      const folder = await pickers.showDirectoryPicker({ mode: 'readwrite' });
      return fits ? storageInto(folder) : straight((file) => freshFile(folder, file.path));
    }
    if (asks === 'file' && pickers.showSaveFilePicker) {
      const handle = await pickers.showSaveFilePicker({ suggestedName: baseName(offer.name) });
      return straight(async () => handle);
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw new PickCancelled();
    throw error;
  }
  return can.storage ? storageThenDownload() : memorySink();
}

function storageThenDownload(): Sink {
  return {
    kind: 'browser',
    held: heldPart,
    open: (file, keep) =>
      openPart(file, keep, async (content, forget) => {
        download(content, baseName(file.path), forget);
      }),
  };
}

function storageInto(folder: FileSystemDirectoryHandle): Sink {
  return {
    kind: 'disk',
    held: heldPart,
    open: (file, keep) =>
      openPart(file, keep, async (content, forget) => {
        const target = await freshFile(folder, file.path);
        await diskErrors(content.stream().pipeTo(await target.createWritable()));
        forget();
      }),
  };
}

/** What is written so appears only when it is closed, and what is not closed is gone. */
function straight(target: (file: ManifestFile) => Promise<FileSystemFileHandle>): Sink {
  return {
    kind: 'disk',
    held: async () => undefined,
    open: async (file) => {
      const stream = await (await target(file)).createWritable();
      return {
        write: (offset, bytes) => diskErrors(stream.write({ type: 'write', position: offset, data: bytes })),
        commit: () => diskErrors(stream.close()),
        close: () => stream.abort().catch(() => {}),
      };
    },
  };
}

function memorySink(): Sink {
  return {
    kind: 'memory',
    held: async () => undefined,
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
        close: async () => {
          parts = [];
        },
      };
    },
  };
}

async function diskErrors<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw diskError(
      error instanceof DOMException ? error.name : '',
      error instanceof Error ? error.message : '',
    );
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

/** As a download and never as a page: received HTML or SVG must not run here. */
export function download(content: Blob, name: string, after: () => void = () => {}): void {
  const address = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  const anchor = document.createElement('a');
  anchor.href = address;
  anchor.download = name;
  anchor.hidden = true;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(
    () => {
      URL.revokeObjectURL(address);
      after();
    },
    KEEP_DOWNLOAD_MS + content.size / SLOW_DISK_BYTES_PER_MS,
  );
}

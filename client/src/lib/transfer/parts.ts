// Files on their way into the browser's private storage. The part of a file is found again by the content's hash and
// size, whoever sends it and under whatever name, also after the page was closed: its length is how much is verified.

import type { ManifestFile } from '../../protocol/frames';
import { TransferFault } from './fault';
import type { FileSink } from './sink';

const FOLDER = 'incoming';
/** What nobody went on with for so long is cleared away; what is whole was saved elsewhere and goes sooner. */
const PART_KEPT_MS = 7 * 24 * 60 * 60 * 1000;
const WHOLE_KEPT_MS = 60 * 60 * 1000;

export interface PartRequest {
  id: number;
  folder: string;
  request:
    | { op: 'open'; name: string; keep: number }
    | { op: 'write'; key: string; offset: number; bytes: Uint8Array<ArrayBuffer> }
    | { op: 'close'; key: string; keep: boolean };
}

export interface PartReply {
  id: number;
  value?: string;
  error?: string;
  detail?: string;
}

type Waiting = { resolve: (value: string) => void; reject: (error: Error) => void };

let worker: Worker | undefined;
let lastId = 0;
const waiting = new Map<number, Waiting>();

/** At most one request of each transfer is under way, so that the queue to the worker is as long as there are transfers. */
function ask(request: PartRequest['request'], transfer: Transferable[] = []): Promise<string> {
  worker ??= start();
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker?.postMessage({ id, folder: FOLDER, request } satisfies PartRequest, transfer);
  });
}

function start(): Worker {
  const started = new Worker(new URL('./parts.worker.ts', import.meta.url), { type: 'module' });
  started.onmessage = ({ data }: MessageEvent<PartReply>) => {
    const one = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) one?.resolve(data.value ?? '');
    else one?.reject(diskError(data.error, data.detail ?? ''));
  };
  started.onerror = () => {
    for (const one of waiting.values()) one.reject(new TransferFault('IO', 'The storage worker failed.'));
    waiting.clear();
    worker = undefined;
  };
  return started;
}

export function diskError(name: string, detail: string): TransferFault {
  return name === 'QuotaExceededError'
    ? new TransferFault('DISK_FULL', 'There is not enough room on this device.')
    : new TransferFault('IO', detail || 'The file could not be written.');
}

function nameOf(file: ManifestFile): string {
  return `${file.hash}-${file.size}`;
}

async function folder(): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(FOLDER, { create: true });
}

/** What is there of a file. */
export async function heldPart(file: ManifestFile): Promise<Blob | undefined> {
  try {
    return await (await (await folder()).getFileHandle(nameOf(file))).getFile();
  } catch {
    return undefined;
  }
}

/** `deliver` gets the whole file once it is verified; the part stays until `forget` is called or time has passed. */
export async function openPart(
  file: ManifestFile,
  keep: number,
  deliver: (content: File, forget: () => void) => Promise<void>,
): Promise<FileSink> {
  const key = await ask({ op: 'open', name: nameOf(file), keep });
  return {
    write: async (offset, bytes) => void (await ask({ op: 'write', key, offset, bytes }, [bytes.buffer])),
    commit: async () => {
      const name = await ask({ op: 'close', key, keep: true });
      const parts = await folder();
      const content = await (await parts.getFileHandle(name)).getFile();
      await deliver(content, () => void parts.removeEntry(name).catch(() => {}));
    },
    close: async (keep) => void (await ask({ op: 'close', key, keep }).catch(() => '')),
  };
}

/** What earlier visits left behind. */
export async function clearOldParts(): Promise<void> {
  if (typeof navigator.storage?.getDirectory !== 'function') return;
  try {
    const root = await navigator.storage.getDirectory();
    const parts = await root.getDirectoryHandle(FOLDER);
    for await (const [name, handle] of parts.entries()) {
      if (handle.kind !== 'file') continue;
      const { size, lastModified } = await (handle as FileSystemFileHandle).getFile();
      const whole = size === Number(name.split('-')[1]);
      if (Date.now() - lastModified > (whole ? WHOLE_KEPT_MS : PART_KEPT_MS)) await parts.removeEntry(name);
    }
  } catch (error) {
    // No such folder, no storage, or a file in use by another tab.
    console.debug('parts were not cleared', error);
  }
}

// Writes files into the browser's private storage, in place: what was written is there after the page is gone. Only a
// worker gets this way of writing, and every browser that has the storage has it here.

import type { PartReply, PartRequest } from './parts';

// TypeScript keeps these to its library of workers, which cannot stand beside that of pages.
interface SyncAccessHandle {
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
type SyncFileHandle = FileSystemFileHandle & { createSyncAccessHandle(): Promise<SyncAccessHandle> };

const open = new Map<string, { file: SyncAccessHandle; name: string }>();

async function run({ folder, request }: PartRequest): Promise<string | undefined> {
  switch (request.op) {
    case 'open': {
      const directory = await partsFolder(folder);
      const file = await openFree(directory, request.name, request.keep === 0);
      file.handle.truncate(request.keep);
      const key = crypto.randomUUID();
      open.set(key, { file: file.handle, name: file.name });
      return key;
    }
    case 'write': {
      const written = open.get(request.key)?.file.write(request.bytes, { at: request.offset });
      // A full disk shows as a short write in some browsers, as an exception in others.
      if (written !== request.bytes.length) throw new DOMException('', 'QuotaExceededError');
      return undefined;
    }
    case 'close': {
      const one = open.get(request.key);
      open.delete(request.key);
      one?.file.flush();
      one?.file.close();
      if (one && !request.keep) await (await partsFolder(folder)).removeEntry(one.name);
      return one?.name;
    }
  }
}

async function partsFolder(name: string): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(name, { create: true });
}

/** One writer a file: where the same content comes twice at once, the second goes `beside` it, from the start. */
async function openFree(folder: FileSystemDirectoryHandle, wanted: string, beside: boolean) {
  for (let number = 0; ; number++) {
    const name = number === 0 ? wanted : `${wanted}-${number}`;
    const handle = (await folder.getFileHandle(name, { create: true })) as SyncFileHandle;
    try {
      return { name, handle: await handle.createSyncAccessHandle() };
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'NoModificationAllowedError')) throw error;
      if (!beside || number > 8) throw error;
    }
  }
}

// One after the other: a write must not overtake the opening before it.
let work: Promise<unknown> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<PartRequest>) => {
  work = work.then(async () => {
    let reply: PartReply;
    try {
      const value = await run(data);
      reply = { id: data.id, ...(value === undefined ? {} : { value }) };
    } catch (error) {
      reply = { id: data.id, error: error instanceof Error ? error.name : 'Error', detail: String(error) };
    }
    self.postMessage(reply);
  });
};

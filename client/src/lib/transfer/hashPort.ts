// What the transfer drivers need of hashing, and the worker that does it.

export type HashRequest = { id: number } & (
  | { op: 'chunk'; bytes: Uint8Array<ArrayBuffer>; stream: string; size: number }
  | { op: 'finish'; stream: string }
  | { op: 'drop'; stream: string }
  | { op: 'blob'; blob: Blob; size: number; stream?: string }
);

export interface HashReply {
  id: number;
  digest?: Uint8Array;
  chunks?: Uint8Array[];
  bytes?: Uint8Array<ArrayBuffer>;
  progress?: number;
  error?: string;
}

/** The hash of a file as hexadecimal, and the digest of each of its chunks. */
interface Hashed {
  hash: string;
  chunks: readonly Uint8Array[];
}

export interface HashPort {
  /** The digest of the next chunk of a file of this size; gives the bytes back. */
  chunk(
    stream: string,
    size: number,
    bytes: Uint8Array<ArrayBuffer>,
  ): Promise<{ digest: Uint8Array; bytes: Uint8Array<ArrayBuffer> }>;
  /** Ends a stream: the hash of the file whose chunks went into it, as hexadecimal. */
  finish(stream: string): Promise<string>;
  drop(stream: string): void;
  blob(blob: Blob, progress: (bytes: number) => void): Promise<Hashed>;
  /** Begins the stream of a file of this size with whole chunks that are there already. */
  begin(stream: string, size: number, blob: Blob, progress: (bytes: number) => void): Promise<void>;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

type Waiting = {
  resolve: (reply: HashReply) => void;
  reject: (error: Error) => void;
  progress?: (bytes: number) => void;
};
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** The worker starts with the first request. */
export function createHashWorker(): HashPort {
  let worker: Worker | undefined;
  let lastId = 0;
  const waiting = new Map<number, Waiting>();

  function start(): Worker {
    const started = new Worker(new URL('./hash.worker.ts', import.meta.url), { type: 'module' });
    started.onmessage = ({ data }: MessageEvent<HashReply>) => {
      const one = waiting.get(data.id);
      if (!one) return;
      if (data.progress !== undefined) {
        one.progress?.(data.progress);
        return;
      }
      waiting.delete(data.id);
      if (data.error !== undefined) one.reject(new Error(data.error));
      else one.resolve(data);
    };
    started.onerror = () => {
      for (const one of waiting.values()) one.reject(new Error('The hashing worker failed.'));
      waiting.clear();
      worker = undefined;
    };
    return started;
  }

  function ask(
    request: WithoutId<HashRequest>,
    transfer: Transferable[] = [],
    progress?: (bytes: number) => void,
  ) {
    worker ??= start();
    const id = ++lastId;
    return new Promise<HashReply>((resolve, reject) => {
      waiting.set(id, { resolve, reject, ...(progress ? { progress } : {}) });
      worker?.postMessage({ ...request, id }, transfer);
    });
  }

  const digestOf = (reply: HashReply) => reply.digest ?? new Uint8Array();
  return {
    async chunk(stream, size, bytes) {
      const reply = await ask({ op: 'chunk', bytes, stream, size }, [bytes.buffer]);
      return { digest: digestOf(reply), bytes: reply.bytes ?? new Uint8Array() };
    },
    finish: async (stream) => hex(digestOf(await ask({ op: 'finish', stream }))),
    drop: (stream) => worker?.postMessage({ op: 'drop', stream, id: ++lastId }),
    begin: async (stream, size, blob, progress) =>
      void (await ask({ op: 'blob', blob, stream, size }, [], progress)),
    async blob(blob, progress) {
      const reply = await ask({ op: 'blob', blob, size: blob.size }, [], progress);
      return { hash: hex(digestOf(reply)), chunks: reply.chunks ?? [] };
    },
  };
}

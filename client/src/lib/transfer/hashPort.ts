// What the transfer drivers need of hashing, and the worker that does it.

export type HashRequest = { id: number } & (
  | { op: 'chunk'; bytes: Uint8Array<ArrayBuffer>; stream?: string }
  | { op: 'finish'; stream: string }
  | { op: 'drop'; stream: string }
  | { op: 'blob'; blob: Blob; stream?: string }
);

export interface HashReply {
  id: number;
  digest?: Uint8Array;
  bytes?: Uint8Array<ArrayBuffer>;
  progress?: number;
  error?: string;
}

export interface HashPort {
  /** The digest of one chunk; gives the bytes back. With `stream`, the chunk also counts towards that whole. */
  chunk(
    bytes: Uint8Array<ArrayBuffer>,
    stream?: string,
  ): Promise<{ digest: Uint8Array; bytes: Uint8Array<ArrayBuffer> }>;
  /** Ends a stream: the hash of everything that went into it, as hexadecimal. */
  finish(stream: string): Promise<string>;
  drop(stream: string): void;
  blob(blob: Blob, progress: (bytes: number) => void): Promise<string>;
  /** Begins a stream with content that is there already. */
  begin(stream: string, blob: Blob, progress: (bytes: number) => void): Promise<void>;
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
    async chunk(bytes, stream) {
      const reply = await ask({ op: 'chunk', bytes, ...(stream === undefined ? {} : { stream }) }, [
        bytes.buffer,
      ]);
      return { digest: digestOf(reply), bytes: reply.bytes ?? new Uint8Array() };
    },
    finish: async (stream) => hex(digestOf(await ask({ op: 'finish', stream }))),
    drop: (stream) => worker?.postMessage({ op: 'drop', stream, id: ++lastId }),
    begin: async (stream, blob, progress) => void (await ask({ op: 'blob', blob, stream }, [], progress)),
    blob: async (blob, progress) => hex(digestOf(await ask({ op: 'blob', blob }, [], progress))),
  };
}

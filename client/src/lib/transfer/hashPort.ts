// What the transfer drivers need of hashing, and the workers that do it.

import { CHUNK_BYTES } from '../../protocol/frames';
import { FileHash } from './fileHash';
import { chunksOf } from './receiver';

/** Workers that hash one large file. The first of them alone knows the streams. */
const MOST_WORKERS = 4;
/** Chunks that a worker takes at a time. */
const STRETCH = 8;

export type HashRequest = { id: number } & (
  | { op: 'chunk'; bytes: Uint8Array<ArrayBuffer>; stream: string; size: number }
  | { op: 'finish'; stream: string }
  | { op: 'drop'; stream: string }
  | { op: 'begin'; stream: string; size: number; chunks: Uint8Array[] }
  | { op: 'stretch'; stretch: Blob; size: number; chunk: number }
);

export interface HashReply {
  id: number;
  digest?: Uint8Array;
  chunks?: Uint8Array[];
  bytes?: Uint8Array<ArrayBuffer>;
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

type Waiting = { resolve: (reply: HashReply) => void; reject: (error: Error) => void };
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

/** A worker, which starts with the first request. */
function createWorker() {
  let worker: Worker | undefined;
  let lastId = 0;
  const waiting = new Map<number, Waiting>();

  function start(): Worker {
    const started = new Worker(new URL('./hash.worker.ts', import.meta.url), { type: 'module' });
    started.onmessage = ({ data }: MessageEvent<HashReply>) => {
      const one = waiting.get(data.id);
      waiting.delete(data.id);
      if (data.error !== undefined) one?.reject(new Error(data.error));
      else one?.resolve(data);
    };
    started.onerror = () => {
      for (const one of waiting.values()) one.reject(new Error('The hashing worker failed.'));
      waiting.clear();
      worker = undefined;
    };
    return started;
  }

  return {
    ask(request: WithoutId<HashRequest>, transfer: Transferable[] = []): Promise<HashReply> {
      worker ??= start();
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        worker?.postMessage({ ...request, id }, transfer);
      });
    },
    /** Where it runs: expects no answer. */
    tell(request: WithoutId<HashRequest>): void {
      worker?.postMessage({ ...request, id: ++lastId });
    },
  };
}

export function createHashWorkers(): HashPort {
  const first = createWorker();
  const others = Array.from(
    { length: Math.min(MOST_WORKERS, navigator.hardwareConcurrency || 1) - 1 },
    createWorker,
  );

  /** The digests of the chunks of a file of this size that begins with `blob`. */
  async function digests(blob: Blob, size: number, progress: (bytes: number) => void): Promise<Uint8Array[]> {
    const chunks = new Array<Uint8Array>(chunksOf(blob.size));
    let [next, hashed] = [0, 0];
    const work = async (worker: ReturnType<typeof createWorker>) => {
      while (next < chunks.length) {
        const chunk = next;
        next += STRETCH;
        const stretch = blob.slice(chunk * CHUNK_BYTES, next * CHUNK_BYTES);
        const reply = await worker.ask({ op: 'stretch', stretch, size, chunk });
        for (const [at, digest] of (reply.chunks ?? []).entries()) chunks[chunk + at] = digest;
        hashed += stretch.size;
        progress(hashed);
      }
    };
    try {
      await Promise.all([first, ...others].map(work));
    } finally {
      // After a failure nobody needs the others.
      next = chunks.length;
    }
    return chunks;
  }

  const digestOf = (reply: HashReply) => reply.digest ?? new Uint8Array();
  return {
    async chunk(stream, size, bytes) {
      const reply = await first.ask({ op: 'chunk', bytes, stream, size }, [bytes.buffer]);
      return { digest: digestOf(reply), bytes: reply.bytes ?? new Uint8Array() };
    },
    finish: async (stream) => hex(digestOf(await first.ask({ op: 'finish', stream }))),
    drop: (stream) => first.tell({ op: 'drop', stream }),
    async begin(stream, size, blob, progress) {
      const chunks = await digests(blob, size, progress);
      await first.ask({ op: 'begin', stream, size, chunks });
    },
    async blob(blob, progress) {
      const chunks = await digests(blob, blob.size, progress);
      return { hash: hex(new FileHash(blob.size, chunks).digest()), chunks };
    },
  };
}

// Hashing away from the page's thread. Buffers are handed over and handed back, never copied.

import { Blake3, blake3 } from '../blake3';
import type { HashReply, HashRequest } from './hashPort';

const READ_BYTES = 4 * 1024 * 1024;
const streams = new Map<string, Blake3>();

function reply(message: HashReply, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

async function run(request: HashRequest): Promise<void> {
  switch (request.op) {
    case 'chunk': {
      const digest = blake3(request.bytes);
      if (request.stream !== undefined) {
        const stream = streams.get(request.stream) ?? new Blake3();
        streams.set(request.stream, stream.update(request.bytes));
      }
      reply({ id: request.id, digest, bytes: request.bytes }, [request.bytes.buffer]);
      return;
    }
    case 'finish': {
      const digest = (streams.get(request.stream) ?? new Blake3()).digest();
      streams.delete(request.stream);
      reply({ id: request.id, digest });
      return;
    }
    case 'drop':
      streams.delete(request.stream);
      return;
    case 'blob': {
      const hasher = new Blake3();
      for (let at = 0; at < request.blob.size; at += READ_BYTES) {
        hasher.update(new Uint8Array(await request.blob.slice(at, at + READ_BYTES).arrayBuffer()));
        reply({ id: request.id, progress: Math.min(at + READ_BYTES, request.blob.size) });
      }
      if (request.stream === undefined) reply({ id: request.id, digest: hasher.digest() });
      else {
        streams.set(request.stream, hasher);
        reply({ id: request.id });
      }
    }
  }
}

// Requests of one stream must not overtake each other: everything but blobs runs to its end at once.
self.onmessage = ({ data }: MessageEvent<HashRequest>) => {
  run(data).catch((error: unknown) =>
    reply({ id: data.id, error: error instanceof Error ? error.message : String(error) }),
  );
};

// Hashing away from the page's thread. Buffers are handed over and handed back, never copied.

import { CHUNK_BYTES } from '../../protocol/frames';
import { chunkDigest, FileHash } from './fileHash';
import type { HashReply, HashRequest } from './hashPort';

const streams = new Map<string, FileHash>();

function reply(message: HashReply, transfer: Transferable[] = []): void {
  self.postMessage(message, { transfer });
}

async function run(request: HashRequest): Promise<void> {
  switch (request.op) {
    case 'chunk': {
      const stream = streams.get(request.stream) ?? new FileHash(request.size);
      streams.set(request.stream, stream);
      const digest = stream.add(request.bytes);
      reply({ id: request.id, digest, bytes: request.bytes }, [request.bytes.buffer]);
      return;
    }
    case 'finish': {
      const digest = (streams.get(request.stream) ?? new FileHash(0)).digest();
      streams.delete(request.stream);
      reply({ id: request.id, digest });
      return;
    }
    case 'drop':
      streams.delete(request.stream);
      return;
    case 'begin':
      streams.set(request.stream, new FileHash(request.size, request.chunks));
      reply({ id: request.id });
      return;
    case 'stretch': {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < request.stretch.size; at += CHUNK_BYTES) {
        const bytes = new Uint8Array(await request.stretch.slice(at, at + CHUNK_BYTES).arrayBuffer());
        chunks.push(chunkDigest(request.size, request.chunk + chunks.length, bytes));
      }
      reply({ id: request.id, chunks });
    }
  }
}

// Requests of one stream must not overtake each other: everything but stretches runs to its end at once.
self.onmessage = ({ data }: MessageEvent<HashRequest>) => {
  run(data).catch((error: unknown) =>
    reply({ id: data.id, error: error instanceof Error ? error.message : String(error) }),
  );
};

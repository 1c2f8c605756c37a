// Hashing away from the page's thread. Buffers are handed over and handed back, never copied.

import { CHUNK_BYTES } from '../../protocol/frames';
import { FileHash } from './fileHash';
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
    case 'blob': {
      const file = new FileHash(request.size);
      for (let at = 0; at < request.blob.size; at += CHUNK_BYTES) {
        file.add(new Uint8Array(await request.blob.slice(at, at + CHUNK_BYTES).arrayBuffer()));
        reply({ id: request.id, progress: Math.min(at + CHUNK_BYTES, request.blob.size) });
      }
      if (request.stream === undefined) reply({ id: request.id, digest: file.digest(), chunks: file.chunks });
      else {
        streams.set(request.stream, file);
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

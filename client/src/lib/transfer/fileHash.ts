// The hash of a file out of those of its chunks, each byte hashed once: a chunk of 1 MiB is one subtree of BLAKE3.

import { CHUNK_BYTES } from '../../protocol/frames';
import { Blake3, blake3, parent } from '../blake3';

/** What FILE_CHUNK says of this chunk of a file of this size. */
export function chunkDigest(size: number, chunk: number, bytes: Uint8Array): Uint8Array {
  return size <= CHUNK_BYTES ? blake3(bytes) : new Blake3(chunk * CHUNK_BYTES).update(bytes).subtree();
}

export class FileHash {
  constructor(
    /** Of the whole file. */
    private readonly size: number,
    /** What FILE_CHUNK says of each chunk so far. */
    readonly chunks: Uint8Array[] = [],
  ) {}

  /** The next chunk; gives its digest. */
  add(bytes: Uint8Array): Uint8Array {
    const digest = chunkDigest(this.size, this.chunks.length, bytes);
    this.chunks.push(digest);
    return digest;
  }

  digest(): Uint8Array {
    return merged(this.chunks, true) ?? blake3(new Uint8Array());
  }
}

/** The left side of a node is full: the largest power of two of chunks. */
function merged(chunks: readonly Uint8Array[], root: boolean): Uint8Array | undefined {
  if (chunks.length < 2) return chunks[0];
  let left = 1;
  while (left * 2 < chunks.length) left *= 2;
  const sides = [merged(chunks.slice(0, left), false), merged(chunks.slice(left), false)];
  return parent(sides[0] as Uint8Array, sides[1] as Uint8Array, root);
}

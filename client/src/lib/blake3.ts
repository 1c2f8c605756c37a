// BLAKE3 in plain TypeScript: hash mode, 32-byte output, incremental, and of one subtree of a larger input.
//
// Why not WebAssembly: the page's policy is `script-src 'self'`, and compiling WebAssembly would need
// 'wasm-unsafe-eval'. This compression keeps all sixteen state and message words in locals, which V8 turns into
// registers; it hashes several times faster than a DataChannel delivers. Runs in a worker (hash.worker.ts).
// Reference: the BLAKE3 specification, section 2.

const BLOCK_BYTES = 64;
const CHUNK_BYTES = 1024;
const HASH_BYTES = 32;

const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;

const IV = new Int32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

/** One compression: `cv` is replaced by the first eight words of the result. `words[at..at+16]` is the block. */
function compress(
  cv: Int32Array,
  words: Int32Array,
  at: number,
  counter: number,
  blockLength: number,
  flags: number,
): void {
  let m0 = words[at] as number;
  let m1 = words[at + 1] as number;
  let m2 = words[at + 2] as number;
  let m3 = words[at + 3] as number;
  let m4 = words[at + 4] as number;
  let m5 = words[at + 5] as number;
  let m6 = words[at + 6] as number;
  let m7 = words[at + 7] as number;
  let m8 = words[at + 8] as number;
  let m9 = words[at + 9] as number;
  let m10 = words[at + 10] as number;
  let m11 = words[at + 11] as number;
  let m12 = words[at + 12] as number;
  let m13 = words[at + 13] as number;
  let m14 = words[at + 14] as number;
  let m15 = words[at + 15] as number;
  let v0 = cv[0] as number;
  let v1 = cv[1] as number;
  let v2 = cv[2] as number;
  let v3 = cv[3] as number;
  let v4 = cv[4] as number;
  let v5 = cv[5] as number;
  let v6 = cv[6] as number;
  let v7 = cv[7] as number;
  let v8 = 0x6a09e667;
  let v9 = 0xbb67ae85 | 0;
  let v10 = 0x3c6ef372;
  let v11 = 0xa54ff53a | 0;
  let v12 = counter | 0;
  let v13 = (counter / 0x1_0000_0000) | 0;
  let v14 = blockLength;
  let v15 = flags;
  let t = 0;
  for (let round = 0; ; round++) {
    v0 = (v0 + v4 + m0) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 16) | (v12 << 16);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 12) | (v4 << 20);
    v0 = (v0 + v4 + m1) | 0;
    v12 ^= v0;
    v12 = (v12 >>> 8) | (v12 << 24);
    v8 = (v8 + v12) | 0;
    v4 ^= v8;
    v4 = (v4 >>> 7) | (v4 << 25);
    v1 = (v1 + v5 + m2) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 16) | (v13 << 16);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 12) | (v5 << 20);
    v1 = (v1 + v5 + m3) | 0;
    v13 ^= v1;
    v13 = (v13 >>> 8) | (v13 << 24);
    v9 = (v9 + v13) | 0;
    v5 ^= v9;
    v5 = (v5 >>> 7) | (v5 << 25);
    v2 = (v2 + v6 + m4) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 16) | (v14 << 16);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 12) | (v6 << 20);
    v2 = (v2 + v6 + m5) | 0;
    v14 ^= v2;
    v14 = (v14 >>> 8) | (v14 << 24);
    v10 = (v10 + v14) | 0;
    v6 ^= v10;
    v6 = (v6 >>> 7) | (v6 << 25);
    v3 = (v3 + v7 + m6) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 16) | (v15 << 16);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 12) | (v7 << 20);
    v3 = (v3 + v7 + m7) | 0;
    v15 ^= v3;
    v15 = (v15 >>> 8) | (v15 << 24);
    v11 = (v11 + v15) | 0;
    v7 ^= v11;
    v7 = (v7 >>> 7) | (v7 << 25);
    v0 = (v0 + v5 + m8) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 16) | (v15 << 16);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 12) | (v5 << 20);
    v0 = (v0 + v5 + m9) | 0;
    v15 ^= v0;
    v15 = (v15 >>> 8) | (v15 << 24);
    v10 = (v10 + v15) | 0;
    v5 ^= v10;
    v5 = (v5 >>> 7) | (v5 << 25);
    v1 = (v1 + v6 + m10) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 16) | (v12 << 16);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 12) | (v6 << 20);
    v1 = (v1 + v6 + m11) | 0;
    v12 ^= v1;
    v12 = (v12 >>> 8) | (v12 << 24);
    v11 = (v11 + v12) | 0;
    v6 ^= v11;
    v6 = (v6 >>> 7) | (v6 << 25);
    v2 = (v2 + v7 + m12) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 16) | (v13 << 16);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 12) | (v7 << 20);
    v2 = (v2 + v7 + m13) | 0;
    v13 ^= v2;
    v13 = (v13 >>> 8) | (v13 << 24);
    v8 = (v8 + v13) | 0;
    v7 ^= v8;
    v7 = (v7 >>> 7) | (v7 << 25);
    v3 = (v3 + v4 + m14) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 16) | (v14 << 16);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 12) | (v4 << 20);
    v3 = (v3 + v4 + m15) | 0;
    v14 ^= v3;
    v14 = (v14 >>> 8) | (v14 << 24);
    v9 = (v9 + v14) | 0;
    v4 ^= v9;
    v4 = (v4 >>> 7) | (v4 << 25);
    if (round === 6) break;
    t = m0;
    m0 = m2;
    m2 = m3;
    m3 = m10;
    m10 = m12;
    m12 = m9;
    m9 = m11;
    m11 = m5;
    m5 = t;
    t = m1;
    m1 = m6;
    m6 = m4;
    m4 = m7;
    m7 = m13;
    m13 = m14;
    m14 = m15;
    m15 = m8;
    m8 = t;
  }
  cv[0] = v0 ^ v8;
  cv[1] = v1 ^ v9;
  cv[2] = v2 ^ v10;
  cv[3] = v3 ^ v11;
  cv[4] = v4 ^ v12;
  cv[5] = v5 ^ v13;
  cv[6] = v6 ^ v14;
  cv[7] = v7 ^ v15;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Incremental hasher. `update` any number of times, then `digest` once. */
export class Blake3 {
  /** Chaining values of finished subtrees, eight words each, largest first. 54 levels cover 2^64 bytes. */
  private readonly stack = new Int32Array(54 * 8);
  private depth = 0;
  private chunks: number;
  private readonly cv = Int32Array.from(IV);
  private blocks = 0;
  private readonly block = new Int32Array(16);
  private readonly blockBytes = new Uint8Array(this.block.buffer);
  private filled = 0;
  private readonly pair = new Int32Array(16);

  /** `offset`: where the input begins in that of which it is a subtree; a multiple of its size, unless it is the last. */
  constructor(offset = 0) {
    this.chunks = offset / CHUNK_BYTES;
  }

  update(data: Uint8Array): this {
    let at = 0;
    const end = data.length;
    while (at < end) {
      if (this.filled === BLOCK_BYTES) this.flushBlock();
      // Whole blocks straight from the input, always leaving at least one byte: the last block is special.
      if (this.filled === 0 && LITTLE_ENDIAN && end - at > BLOCK_BYTES) {
        at = this.bulk(data, at);
        continue;
      }
      const take = Math.min(BLOCK_BYTES - this.filled, end - at);
      this.blockBytes.set(data.subarray(at, at + take), this.filled);
      this.filled += take;
      at += take;
    }
    return this;
  }

  digest(): Uint8Array {
    return this.finish(ROOT);
  }

  /** What this input contributes to the hash of the larger one (its chaining value, section 2.1). */
  subtree(): Uint8Array {
    return this.finish(0);
  }

  private finish(root: number): Uint8Array {
    this.blockBytes.fill(0, this.filled);
    let flags = (this.blocks === 0 ? CHUNK_START : 0) | CHUNK_END;
    const cv = Int32Array.from(this.cv);
    toNative(this.blockBytes, this.block);
    if (this.depth === 0) {
      compress(cv, this.block, 0, this.chunks, this.filled, flags | root);
      return wordsToBytes(cv);
    }
    compress(cv, this.block, 0, this.chunks, this.filled, flags);
    while (this.depth > 0) {
      this.depth--;
      this.pair.set(this.stack.subarray(this.depth * 8, this.depth * 8 + 8), 0);
      this.pair.set(cv, 8);
      cv.set(IV);
      flags = PARENT | (this.depth === 0 ? root : 0);
      compress(cv, this.pair, 0, 0, BLOCK_BYTES, flags);
    }
    return wordsToBytes(cv);
  }

  private bulk(data: Uint8Array, from: number): number {
    const bytes = (data.length - from - 1) & ~(BLOCK_BYTES - 1);
    const offset = data.byteOffset + from;
    const words =
      offset % 4 === 0
        ? new Int32Array(data.buffer, offset, bytes / 4)
        : new Int32Array(data.slice(from, from + bytes).buffer);
    for (let at = 0; at < words.length; at += 16) this.absorb(words, at);
    return from + bytes;
  }

  private flushBlock(): void {
    toNative(this.blockBytes, this.block);
    this.absorb(this.block, 0);
    this.filled = 0;
  }

  private absorb(words: Int32Array, at: number): void {
    const last = this.blocks === CHUNK_BYTES / BLOCK_BYTES - 1;
    const flags = (this.blocks === 0 ? CHUNK_START : 0) | (last ? CHUNK_END : 0);
    compress(this.cv, words, at, this.chunks, BLOCK_BYTES, flags);
    if (!last) {
      this.blocks++;
      return;
    }
    this.blocks = 0;
    this.chunks++;
    this.pushChunk();
  }

  /** A finished chunk merges with every finished subtree of its own size: as many as the count has trailing zeros. */
  private pushChunk(): void {
    let total = this.chunks;
    while (total % 2 === 0) {
      this.depth--;
      this.pair.set(this.stack.subarray(this.depth * 8, this.depth * 8 + 8), 0);
      this.pair.set(this.cv, 8);
      this.cv.set(IV);
      compress(this.cv, this.pair, 0, 0, BLOCK_BYTES, PARENT);
      total /= 2;
    }
    this.stack.set(this.cv, this.depth * 8);
    this.depth++;
    this.cv.set(IV);
  }
}

function toNative(bytes: Uint8Array, words: Int32Array): void {
  if (LITTLE_ENDIAN) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, BLOCK_BYTES);
  for (let i = 0; i < 16; i++) words[i] = view.getInt32(i * 4, true);
}

function wordsToBytes(words: Int32Array): Uint8Array {
  const out = new Uint8Array(HASH_BYTES);
  const view = new DataView(out.buffer);
  for (let i = 0; i < 8; i++) view.setInt32(i * 4, words[i] as number, true);
  return out;
}

/** The subtree that two neighbours make, the left one full; with `root`, the hash of the whole. */
export function parent(left: Uint8Array, right: Uint8Array, root: boolean): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(left);
  block.set(right, HASH_BYTES);
  const words = new Int32Array(block.buffer);
  toNative(block, words);
  const cv = Int32Array.from(IV);
  compress(cv, words, 0, 0, BLOCK_BYTES, PARENT | (root ? ROOT : 0));
  return wordsToBytes(cv);
}

export function blake3(data: Uint8Array): Uint8Array {
  return new Blake3().update(data).digest();
}

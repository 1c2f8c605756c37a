// The receiving end of a transfer as a state machine without I/O: frames go in, complete chunks come out. Hashing and
// writing belong to the driver (incoming.ts), which reports back with `verified`.

import {
  CHUNK_BYTES,
  type FrameOf,
  type ManifestFile,
  type Range,
  type Skipped,
} from '../../protocol/frames';
import { TransferFault } from './fault';
import { collisionKey, isSafePath, MAX_ENTRIES } from './paths';

/** Ranges in one FILE_WANT frame: keeps it well below the largest message. */
const RANGES_PER_FRAME = 800;

export interface Chunk {
  file: number;
  index: number;
  offset: number;
  digest: Uint8Array;
  bytes: Uint8Array<ArrayBuffer>;
}

export function chunksOf(size: number): number {
  return Math.ceil(size / CHUNK_BYTES);
}

export function chunkLength(size: number, index: number): number {
  return Math.min(CHUNK_BYTES, size - index * CHUNK_BYTES);
}

export class Receiver {
  private readonly list: ManifestFile[] = [];
  private complete = false;
  private readonly seen = new Set<string>();
  private total = 0;
  private open: (Chunk & { filled: number }) | undefined;
  /** Chunks asked for, in the order in which they must come. */
  private readonly wanted = new ChunkQueue();
  private verifiedBytes = 0;
  private readonly left = new Map<number, number>();

  /** `maxBytes`: what was offered and accepted; more is refused. */
  constructor(private readonly maxBytes: number) {}

  /** Returns the files once the last part came. */
  manifest(frame: FrameOf<'FILE_MANIFEST'>): ManifestFile[] | undefined {
    if (this.complete) throw new TransferFault('PROTOCOL', 'A second list of files came.');
    for (const file of frame.files) {
      if (file.file !== this.list.length) throw new TransferFault('PROTOCOL', 'The list of files has a gap.');
      if (this.list.length >= MAX_ENTRIES) throw new TransferFault('TOO_LARGE', 'There are too many files.');
      if (!isSafePath(file.path))
        throw new TransferFault('BAD_PATH', 'A file has a name that is not safe here.', file.file);
      const key = collisionKey(file.path);
      if (this.seen.has(key)) throw new TransferFault('BAD_PATH', 'Two files have the same name.', file.file);
      this.seen.add(key);
      this.total += file.size;
      if (this.total > this.maxBytes)
        throw new TransferFault('TOO_LARGE', 'More is sent than was offered.', file.file);
      this.list.push(file);
    }
    if (!frame.last) return undefined;
    if (this.list.length === 0) throw new TransferFault('PROTOCOL', 'The list of files is empty.');
    this.complete = true;
    return this.list;
  }

  /**
   * What to ask for: everything but what `held` says is there (leading chunks of a file) and what nobody wants here, the
   * small files first, so that a huge one holds back none of them. Empty files need no asking.
   */
  want(held: ReadonlyMap<number, number> = new Map(), unwanted: ReadonlySet<number> = new Set()) {
    const ranges: Range[] = [];
    const skip: Skipped[] = [];
    for (const { file, size } of this.list) {
      const run = skip.at(-1);
      if (unwanted.has(file)) {
        if (run?.to === file) run.to = file + 1;
        else skip.push({ from: file, to: file + 1 });
      } else if ((held.get(file) ?? 0) < chunksOf(size)) {
        ranges.push({ file, from: held.get(file) ?? 0, to: chunksOf(size) });
      }
    }
    // Stable: files of as many chunks stay in the order of the list.
    const chunks = ({ file }: Range) => chunksOf(this.list[file]?.size ?? 0);
    ranges.sort((a, b) => chunks(a) - chunks(b));
    for (const range of ranges) this.expect(range);
    const frames: FrameOf<'FILE_WANT'>[] = [];
    const length = Math.max(ranges.length, skip.length, 1);
    for (let at = 0; at < length; at += RANGES_PER_FRAME) {
      const skipped = skip.slice(at, at + RANGES_PER_FRAME);
      frames.push({
        type: 'FILE_WANT',
        ranges: ranges.slice(at, at + RANGES_PER_FRAME),
        ...(skipped.length > 0 ? { skip: skipped } : {}),
        last: at + RANGES_PER_FRAME >= length,
        bundles: true,
      });
    }
    return frames;
  }

  /** A file that was gone on with and came out wrong is asked for once more, whole. */
  wantWhole({ file, size }: ManifestFile): FrameOf<'FILE_WANT'> {
    const range = { file, from: 0, to: chunksOf(size) };
    this.expect(range);
    return { type: 'FILE_WANT', ranges: [range], last: true, bundles: true };
  }

  private expect(range: Range): void {
    this.left.set(range.file, range.to - range.from);
    this.wanted.push(range);
  }

  chunk(frame: FrameOf<'FILE_CHUNK'>): void {
    const next = this.wanted.next();
    const file = this.list[frame.file];
    if (this.open || !next || !file)
      throw new TransferFault('PROTOCOL', 'A chunk came that was not asked for.');
    if (next.file !== frame.file || next.index !== frame.chunk)
      throw new TransferFault('PROTOCOL', 'Chunks came out of order.', frame.file);
    const length = chunkLength(file.size, frame.chunk);
    if (frame.len !== length)
      throw new TransferFault('PROTOCOL', 'A chunk has the wrong length.', frame.file);
    this.open = {
      file: frame.file,
      index: frame.chunk,
      offset: frame.chunk * CHUNK_BYTES,
      digest: frame.digest.slice(),
      bytes: new Uint8Array(length),
      filled: 0,
    };
  }

  /** Returns the chunk when its last byte came. */
  data(frame: FrameOf<'FILE_DATA'>): Chunk | undefined {
    const chunk = this.open;
    if (!chunk || frame.file !== chunk.file || frame.offset !== chunk.offset + chunk.filled)
      throw new TransferFault('PROTOCOL', 'Data came out of order.', frame.file);
    if (chunk.filled + frame.bytes.length > chunk.bytes.length)
      throw new TransferFault('PROTOCOL', 'A chunk is longer than announced.', frame.file);
    chunk.bytes.set(frame.bytes, chunk.filled);
    chunk.filled += frame.bytes.length;
    if (chunk.filled < chunk.bytes.length) return undefined;
    this.open = undefined;
    const { filled: _, ...whole } = chunk;
    return whole;
  }

  /** The driver verified and wrote a chunk. Returns the position to acknowledge, and whether the file is whole now. */
  verified(file: number, length: number): { ack: number; whole: boolean } {
    this.verifiedBytes += length;
    const left = (this.left.get(file) ?? 1) - 1;
    this.left.set(file, left);
    return { ack: this.verifiedBytes, whole: left === 0 };
  }

  get files(): readonly ManifestFile[] {
    return this.list;
  }
}

/** The chunks of some ranges, one after the other. */
export class ChunkQueue {
  private readonly ranges: Range[] = [];
  private at = 0;
  private index = 0;

  push(range: Range): void {
    this.ranges.push(range);
  }

  next(): { file: number; index: number } | undefined {
    const range = this.ranges[this.at];
    if (!range) return undefined;
    const index = Math.max(this.index, range.from);
    this.index = index + 1;
    if (this.index >= range.to) {
      this.at++;
      this.index = 0;
    }
    return { file: range.file, index };
  }
}

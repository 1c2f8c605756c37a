// The sending end of a transfer as a state machine without I/O: it says which chunk may be sent next. Reading, hashing
// and the channel belong to the driver (outgoing.ts).

import type { FrameOf, ManifestFile } from '../../protocol/frames';
import { TransferFault } from './fault';
import { ChunkQueue, chunkLength, chunksOf } from './receiver';

/** Bytes that may be on their way without the receiver's acknowledgement. */
export const WINDOW_BYTES = 16 * 1024 * 1024;
/** The same in chunks, which may be small: SCTP can tell the order of so many messages that wait, and not of any number. */
export const WINDOW_CHUNKS = 4096;
/** Room for JSON in one message, with a margin for the frame's head and for escapes. */
const MANIFEST_PART_BYTES = 48 * 1024;

export interface NextChunk {
  file: number;
  index: number;
  length: number;
}

export class Sender {
  private readonly queue = new ChunkQueue();
  /** The receiver has said all that it lacks. */
  private asked = false;
  private readonly twice = new Set<number>();
  private readonly skipped = new Set<number>();
  private upcoming: NextChunk | undefined;
  private sent = 0;
  private acked = 0;
  /** Where each chunk ends that is on its way, counted as `sent`. */
  private readonly unackedEnds: number[] = [];
  private wantedBytes = 0;
  private readonly done = new Set<number>();

  constructor(private readonly files: readonly ManifestFile[]) {}

  manifest(): FrameOf<'FILE_MANIFEST'>[] {
    const frames: FrameOf<'FILE_MANIFEST'>[] = [];
    let part: ManifestFile[] = [];
    let size = 0;
    for (const file of this.files) {
      const length = new TextEncoder().encode(JSON.stringify(file)).length + 1;
      if (size + length > MANIFEST_PART_BYTES) {
        frames.push({ type: 'FILE_MANIFEST', files: part, last: false, bundles: true });
        part = [];
        size = 0;
      }
      part.push(file);
      size += length;
    }
    frames.push({ type: 'FILE_MANIFEST', files: part, last: true, bundles: true });
    return frames;
  }

  /** Returns true when the receiver has said all that it wants. */
  want(frame: FrameOf<'FILE_WANT'>): boolean {
    for (const { from, to } of frame.skip ?? []) {
      if (this.asked || from >= to || to > this.files.length) throw outOfPlace();
      for (let file = from; file < to; file++) this.skipped.add(file);
    }
    for (const range of frame.ranges) {
      const file = this.files[range.file];
      if (this.skipped.has(range.file)) throw outOfPlace();
      if (!file || range.from >= range.to || range.to > chunksOf(file.size)) throw outOfPlace();
      if (this.asked) {
        // Once more, because what the receiver had of it proved wrong. Each chunk is given twice at most.
        if (this.twice.has(range.file)) throw outOfPlace();
        this.twice.add(range.file);
      }
      this.queue.push(range);
      for (let index = range.from; index < range.to; index++)
        this.wantedBytes += chunkLength(file.size, index);
    }
    this.asked ||= frame.last;
    return frame.last;
  }

  /** The chunk to send now; `wait` while the window is full, `end` when everything was sent. */
  next(): NextChunk | 'wait' | 'end' {
    if (!this.asked) return 'wait';
    if (!this.upcoming) {
      const step = this.queue.next();
      if (!step) return 'end';
      const { file, index } = step;
      this.upcoming = { file, index, length: chunkLength(this.files[file]?.size ?? 0, index) };
    }
    if (this.sent - this.acked + this.upcoming.length > WINDOW_BYTES) return 'wait';
    if (this.unackedEnds.length >= WINDOW_CHUNKS) return 'wait';
    const chunk = this.upcoming;
    this.upcoming = undefined;
    this.sent += chunk.length;
    this.unackedEnds.push(this.sent);
    return chunk;
  }

  ack(bytes: number): void {
    if (bytes < this.acked || bytes > this.sent)
      throw new TransferFault('PROTOCOL', 'The other side acknowledged too much.');
    this.acked = bytes;
    const first = this.unackedEnds.findIndex((end) => end > bytes);
    this.unackedEnds.splice(0, first < 0 ? this.unackedEnds.length : first);
  }

  /** Returns true when every file that is wanted stands at the other end. */
  fileDone(frame: FrameOf<'FILE_DONE'>): boolean {
    const file = this.files[frame.file];
    if (!file || this.skipped.has(frame.file))
      throw new TransferFault('PROTOCOL', 'The other side finished an unknown file.');
    if (file.hash !== frame.hash)
      throw new TransferFault('HASH_MISMATCH', 'The other side has a different file.', frame.file);
    this.done.add(frame.file);
    return this.complete;
  }

  /** Also true at once where the receiver wants nothing at all. */
  get complete(): boolean {
    return this.asked && this.done.size + this.skipped.size >= this.files.length;
  }

  isSkipped(file: number): boolean {
    return this.skipped.has(file);
  }

  /** What is to be at the other end when all is done. */
  get size(): number {
    return this.files.reduce((sum, file) => sum + (this.skipped.has(file.file) ? 0 : file.size), 0);
  }

  /** Bytes at the other end: acknowledged, and what it had before. */
  get moved(): number {
    return this.asked ? Math.max(0, this.size - this.wantedBytes + this.acked) : 0;
  }
}

function outOfPlace(): TransferFault {
  return new TransferFault('PROTOCOL', 'The other side asked for something that is not there.');
}

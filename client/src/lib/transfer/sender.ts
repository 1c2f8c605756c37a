// The sending end of a transfer as a state machine without I/O: it says which chunk may be sent next. Reading, hashing
// and the channel belong to the driver (outgoing.ts).

import type { FrameOf, ManifestFile, Range } from '../../protocol/frames';
import { TransferFault } from './fault';
import { chunkLength, chunksOf, inOrder } from './receiver';

/** Bytes that may be on their way without the receiver's acknowledgement. */
export const WINDOW_BYTES = 16 * 1024 * 1024;
/** Room for JSON in one message, with a margin for the frame's head and for escapes. */
const MANIFEST_PART_BYTES = 48 * 1024;

export interface NextChunk {
  file: number;
  index: number;
  length: number;
}

export class Sender {
  private readonly ranges: Range[] = [];
  private queue: Iterator<{ file: number; index: number }> | undefined;
  private upcoming: NextChunk | undefined;
  private sent = 0;
  private acked = 0;
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
        frames.push({ type: 'FILE_MANIFEST', files: part, last: false });
        part = [];
        size = 0;
      }
      part.push(file);
      size += length;
    }
    frames.push({ type: 'FILE_MANIFEST', files: part, last: true });
    return frames;
  }

  /** Returns true when the receiver has said all that it wants. */
  want(frame: FrameOf<'FILE_WANT'>): boolean {
    if (this.queue) throw new TransferFault('PROTOCOL', 'The other side asked twice.');
    for (const range of frame.ranges) {
      const file = this.files[range.file];
      if (!file || range.from >= range.to || range.to > chunksOf(file.size))
        throw new TransferFault('PROTOCOL', 'The other side asked for something that is not there.');
      this.ranges.push(range);
      for (let index = range.from; index < range.to; index++)
        this.wantedBytes += chunkLength(file.size, index);
    }
    if (!frame.last) return false;
    this.queue = inOrder(this.ranges);
    return true;
  }

  /** The chunk to send now; `wait` while the window is full, `end` when everything was sent. */
  next(): NextChunk | 'wait' | 'end' {
    if (!this.queue) return 'wait';
    if (!this.upcoming) {
      const step = this.queue.next();
      if (step.done) return 'end';
      const { file, index } = step.value;
      this.upcoming = { file, index, length: chunkLength(this.files[file]?.size ?? 0, index) };
    }
    if (this.sent - this.acked + this.upcoming.length > WINDOW_BYTES) return 'wait';
    const chunk = this.upcoming;
    this.upcoming = undefined;
    this.sent += chunk.length;
    return chunk;
  }

  ack(bytes: number): void {
    if (bytes < this.acked || bytes > this.sent)
      throw new TransferFault('PROTOCOL', 'The other side acknowledged too much.');
    this.acked = bytes;
  }

  /** Returns true when every file stands at the other end. */
  fileDone(frame: FrameOf<'FILE_DONE'>): boolean {
    const file = this.files[frame.file];
    if (!file) throw new TransferFault('PROTOCOL', 'The other side finished an unknown file.');
    if (file.hash !== frame.hash)
      throw new TransferFault('HASH_MISMATCH', 'The other side has a different file.', frame.file);
    this.done.add(frame.file);
    return this.done.size === this.files.length;
  }

  /** Bytes at the other end: acknowledged, and what it had before. */
  get moved(): number {
    const total = this.files.reduce((sum, file) => sum + file.size, 0);
    return this.queue ? total - this.wantedBytes + this.acked : 0;
  }
}

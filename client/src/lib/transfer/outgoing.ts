// Drives a Sender: hashes the files, announces them, then reads and sends what the receiver lacks, never faster than the
// channel and the window allow.

import { CHUNK_BYTES, type Frame, MAX_DATA_BYTES, type ManifestFile } from '../../protocol/frames';
import type { ChosenFile } from './chosen';
import { TransferFault } from './fault';
import type { HashPort } from './hashPort';
import { type NextChunk, Sender } from './sender';

export interface OutgoingEvents {
  send: (frame: Frame) => void;
  /** Resolves when the channel has room. */
  writable: () => Promise<void>;
  /** The receiver said what it takes: so many bytes, without these files. */
  wanted: (size: number, skipped: (file: number) => boolean) => void;
  paused: (there: boolean) => void;
  manifest: (files: readonly ManifestFile[]) => void;
  progress: (bytes: number) => void;
  fileDone: (file: number) => void;
  done: () => void;
  fault: (fault: TransferFault) => void;
}

/** What the manifest says of a file, and FILE_CHUNK of its chunks. */
export interface PreparedFile {
  manifest: ManifestFile;
  chunks: readonly Uint8Array[];
}

/** Computes what the manifest says of the files. Once is enough for any number of receivers and attempts. */
export async function prepare(
  files: readonly ChosenFile[],
  hash: HashPort,
  prepared: (bytes: number) => void,
): Promise<PreparedFile[]> {
  const list: PreparedFile[] = [];
  let before = 0;
  for (const [index, { path, content }] of files.entries()) {
    const { hash: whole, chunks } = await hash
      .blob(content, (bytes) => prepared(before + bytes))
      .catch(() => {
        throw new TransferFault('SOURCE_GONE', `${path} can no longer be read.`, index);
      });
    before += content.size;
    list.push({
      manifest: { file: index, path, size: content.size, hash: whole, modified_at: content.lastModified },
      chunks,
    });
  }
  return list;
}

export class Outgoing {
  private sender: Sender | undefined;
  private stopped = false;
  private pumping = false;
  private pausedHere = false;
  private pausedThere = false;
  private wake: (() => void) | undefined;

  /** `hashed` may still be in work while the other side thinks about the offer. */
  constructor(
    private readonly files: readonly ChosenFile[],
    private readonly hashed: Promise<readonly PreparedFile[]>,
    private readonly events: OutgoingEvents,
  ) {
    this.hashed.catch((error) => this.fail(error));
  }

  /** The channel is open: announce. */
  async start(): Promise<void> {
    try {
      const files = (await this.hashed).map(({ manifest }) => manifest);
      if (this.stopped) return;
      this.sender = new Sender(files);
      this.events.manifest(files);
      for (const frame of this.sender.manifest()) {
        await this.events.writable();
        this.events.send(frame);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  frame(frame: Frame): void {
    const sender = this.sender;
    if (this.stopped) return;
    try {
      if (frame.type === 'RENEW') return;
      if (frame.type === 'FILE_BUNDLE') {
        for (const bundled of frame.frames) this.frame(bundled);
        return;
      }
      if (frame.type === 'FILE_PAUSE') {
        this.pausedThere = frame.paused;
        this.events.paused(frame.paused);
        this.wake?.();
        return;
      }
      if (frame.type === 'FILE_ERROR')
        throw new TransferFault(frame.code, frame.detail, frame.file ?? undefined);
      if (!sender) throw new TransferFault('PROTOCOL', 'The other side spoke before it was asked.');
      if (frame.type === 'FILE_WANT') {
        if (sender.want(frame)) {
          this.events.wanted(sender.size, (file) => sender.isSkipped(file));
          this.events.progress(sender.moved);
          if (sender.complete) this.end();
          else void this.pump(sender).catch((error) => this.fail(error));
        }
      } else if (frame.type === 'FILE_ACK') {
        sender.ack(frame.bytes);
        this.events.progress(sender.moved);
        this.wake?.();
      } else if (frame.type === 'FILE_DONE') {
        const all = sender.fileDone(frame);
        this.events.fileDone(frame.file);
        if (all) this.end();
      } else {
        throw new TransferFault('PROTOCOL', 'A frame came that does not belong here.');
      }
    } catch (error) {
      this.fail(error);
    }
  }

  stop(): void {
    this.stopped = true;
    this.wake?.();
  }

  /** No further chunk goes out while either end has paused. */
  pause(paused: boolean): void {
    if (this.stopped) return;
    this.pausedHere = paused;
    this.events.send({ type: 'FILE_PAUSE', paused });
    this.wake?.();
  }

  private end(): void {
    this.stopped = true;
    this.events.done();
  }

  private async pump(sender: Sender): Promise<void> {
    if (this.pumping) return this.wake?.();
    this.pumping = true;
    while (!this.stopped) {
      const next = this.pausedHere || this.pausedThere ? 'wait' : sender.next();
      if (next === 'end') break;
      if (next === 'wait') {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
        continue;
      }
      await this.sendChunk(next);
    }
    this.pumping = false;
  }

  private async sendChunk({ file, index, length }: NextChunk): Promise<void> {
    const source = this.files[file] as ChosenFile;
    const offset = index * CHUNK_BYTES;
    const content = await source.content
      .slice(offset, offset + length)
      .arrayBuffer()
      .catch(() => {
        // Browsers refuse to read a file that changed on the disk since it was chosen.
        throw new TransferFault('SOURCE_CHANGED', `${source.path} changed while it was sent.`, file);
      });
    const digest = (await this.hashed)[file]?.chunks[index] as Uint8Array;
    const bytes = new Uint8Array(content);
    this.events.send({ type: 'FILE_CHUNK', file, chunk: index, len: length, digest });
    for (let at = 0; at < length; at += MAX_DATA_BYTES) {
      await this.events.writable();
      if (this.stopped) return;
      this.events.send({
        type: 'FILE_DATA',
        file,
        offset: offset + at,
        bytes: bytes.subarray(at, at + MAX_DATA_BYTES),
      });
    }
  }

  private fail(error: unknown): void {
    if (this.stopped) return;
    this.stopped = true;
    const fault =
      error instanceof TransferFault
        ? error
        : new TransferFault('IO', error instanceof Error ? error.message : String(error));
    this.events.fault(fault);
  }
}

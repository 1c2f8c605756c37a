// Drives a Receiver: verifies each chunk in the hashing worker, writes it, acknowledges it, and puts whole files in
// their place. One chunk at a time is in work; the sender's window bounds what waits.

import type { Frame, ManifestFile } from '../../protocol/frames';
import { TransferFault } from './fault';
import { type HashPort, hex } from './hashPort';
import { type Chunk, Receiver } from './receiver';
import { WINDOW_BYTES } from './sender';
import type { FileSink, Sink } from './sink';

/** A sender that ignores the window by more than one chunk is broken or hostile. */
const MAX_WAITING_BYTES = WINDOW_BYTES + 2 * 1024 * 1024;

export interface IncomingEvents {
  send: (frame: Frame) => void;
  manifest: (files: readonly ManifestFile[]) => void;
  progress: (bytes: number) => void;
  fileDone: (file: number, hash: string) => void;
  /** Every file stands in its place. */
  done: () => void;
  fault: (fault: TransferFault) => void;
}

export class Incoming {
  private readonly receiver: Receiver;
  private work: Promise<void> = Promise.resolve();
  private readonly sinks = new Map<number, FileSink>();
  private waitingBytes = 0;
  private stopped = false;
  private remaining = 0;

  constructor(
    private readonly stream: string,
    maxBytes: number,
    private readonly sink: Sink,
    private readonly hash: HashPort,
    private readonly events: IncomingEvents,
  ) {
    this.receiver = new Receiver(maxBytes);
  }

  frame(frame: Frame): void {
    if (this.stopped) return;
    try {
      this.take(frame);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Forgets what is not finished. Safe to call twice. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.work.catch(() => {});
    for (const [file, sink] of this.sinks) {
      await sink.abort();
      this.hash.drop(this.key(file));
    }
    this.sinks.clear();
  }

  private take(frame: Frame): void {
    switch (frame.type) {
      case 'FILE_MANIFEST': {
        const files = this.receiver.manifest(frame);
        if (files) this.enqueue(() => this.begin(files));
        return;
      }
      case 'FILE_CHUNK':
        this.receiver.chunk(frame);
        return;
      case 'FILE_DATA': {
        const chunk = this.receiver.data(frame);
        if (!chunk) return;
        this.waitingBytes += chunk.bytes.length;
        if (this.waitingBytes > MAX_WAITING_BYTES)
          throw new TransferFault('PROTOCOL', 'Too much came at once.');
        this.enqueue(() => this.store(chunk));
        return;
      }
      case 'FILE_ERROR':
        throw new TransferFault(frame.code, frame.detail, frame.file ?? undefined);
      case 'RENEW':
        return;
      default:
        throw new TransferFault('PROTOCOL', 'A frame came that does not belong here.');
    }
  }

  private enqueue(step: () => Promise<void>): void {
    this.work = this.work.then(() => (this.stopped ? undefined : step())).catch((error) => this.fail(error));
  }

  private async begin(files: readonly ManifestFile[]): Promise<void> {
    this.events.manifest(files);
    this.remaining = files.length;
    for (const frame of this.receiver.want()) this.events.send(frame);
    for (const file of files) if (file.size === 0) await this.finish(file);
  }

  private async store(chunk: Chunk): Promise<void> {
    const file = this.receiver.files[chunk.file] as ManifestFile;
    const length = chunk.bytes.length;
    const { digest, bytes } = await this.hash.chunk(chunk.bytes, this.key(chunk.file));
    if (hex(digest) !== hex(chunk.digest))
      throw new TransferFault('HASH_MISMATCH', 'A part of the file arrived damaged.', chunk.file);
    const sink = this.sinks.get(chunk.file) ?? (await this.sink.open(file));
    this.sinks.set(chunk.file, sink);
    await sink.write(chunk.offset, bytes);
    this.waitingBytes -= length;
    const { ack, whole } = this.receiver.verified(chunk.file, length);
    this.events.send({ type: 'FILE_ACK', bytes: ack });
    this.events.progress(ack);
    if (whole) await this.finish(file);
  }

  private async finish(file: ManifestFile): Promise<void> {
    const hash = await this.hash.finish(this.key(file.file));
    if (hash !== file.hash)
      throw new TransferFault('HASH_MISMATCH', 'The file is not what was announced.', file.file);
    const sink = this.sinks.get(file.file) ?? (await this.sink.open(file));
    await sink.commit();
    this.sinks.delete(file.file);
    this.events.send({ type: 'FILE_DONE', file: file.file, hash });
    this.events.fileDone(file.file, hash);
    this.remaining--;
    if (this.remaining === 0) this.events.done();
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

  private key(file: number): string {
    return `${this.stream}/${file}`;
  }
}

// Drives a Receiver: goes on from what is here already, verifies each chunk in the hashing worker, writes it,
// acknowledges it, and puts whole files in their place. One chunk at a time is in work; the sender's window bounds what
// waits.

import { CHUNK_BYTES, type Frame, type ManifestFile } from '../../protocol/frames';
import { TransferFault } from './fault';
import { type HashPort, hex } from './hashPort';
import { type Chunk, Receiver } from './receiver';
import { WINDOW_BYTES } from './sender';
import type { FileSink, Sink } from './sink';

/** A sender that ignores the window by more than one chunk is broken or hostile. */
const MAX_WAITING_BYTES = WINDOW_BYTES + 2 * 1024 * 1024;

export interface IncomingEvents {
  send: (frame: Frame) => void;
  /** The list came: so many bytes are wanted, without these files. */
  manifest: (files: readonly ManifestFile[], size: number, skipped: ReadonlySet<number>) => void;
  /** Bytes that are here: received, and from an earlier attempt. */
  progress: (bytes: number) => void;
  paused: (there: boolean) => void;
  fileDone: (file: number, hash: string) => void;
  /** Every file that is wanted stands in its place. */
  done: () => void;
  fault: (fault: TransferFault) => void;
}

export class Incoming {
  private readonly receiver: Receiver;
  private work: Promise<void> = Promise.resolve();
  private readonly sinks = new Map<number, FileSink>();
  /** Files that were gone on with: their beginning was not received in this session. */
  private readonly resumed = new Set<number>();
  private heldBytes = 0;
  private receivedBytes = 0;
  private waitingBytes = 0;
  private stopped = false;
  private remaining = 0;

  constructor(
    private readonly stream: string,
    /** What was offered and accepted; more is refused. */
    maxBytes: number,
    private readonly wanted: (file: ManifestFile) => boolean,
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

  pause(paused: boolean): void {
    if (!this.stopped) this.events.send({ type: 'FILE_PAUSE', paused });
  }

  /** With `keep`, what came so far stays for another attempt. Safe to call twice. */
  async stop(keep: boolean): Promise<void> {
    this.stopped = true;
    await this.work.catch(() => {});
    for (const [file, sink] of this.sinks) {
      await sink.close(keep);
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
      case 'FILE_BUNDLE':
        for (const bundled of frame.frames) this.take(bundled);
        return;
      case 'FILE_PAUSE':
        this.events.paused(frame.paused);
        return;
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
    const unwanted = new Set(files.filter((file) => !this.wanted(file)).map(({ file }) => file));
    const wanted = files.filter(({ file }) => !unwanted.has(file));
    const size = wanted.reduce((sum, file) => sum + file.size, 0);
    this.events.manifest(files, size, unwanted);
    this.remaining = wanted.length;
    const held = new Map<number, number>();
    for (const file of wanted) {
      if (this.stopped) return;
      const bytes = await this.resume(file);
      if (bytes > 0) held.set(file.file, Math.ceil(bytes / CHUNK_BYTES));
    }
    for (const frame of this.receiver.want(held, unwanted)) this.events.send(frame);
    for (const file of wanted)
      if ((held.get(file.file) ?? 0) * CHUNK_BYTES >= file.size) await this.finish(file);
    if (wanted.length === 0) this.events.done();
  }

  /** Takes up what an earlier attempt left of a file, in whole chunks. Only the hash of the whole decides if it is right. */
  private async resume(file: ManifestFile): Promise<number> {
    const left = await this.sink.held(file);
    if (!left) return 0;
    const bytes = left.size >= file.size ? file.size : left.size - (left.size % CHUNK_BYTES);
    if (bytes === 0) return 0;
    const before = this.heldBytes;
    await this.hash.begin(this.key(file.file), file.size, left.slice(0, bytes), (read) =>
      this.events.progress(before + read),
    );
    const sink = await this.sink.open(file, bytes).catch(() => undefined);
    if (!sink) {
      // Another transfer writes it just now: this one starts from the beginning.
      this.hash.drop(this.key(file.file));
      return 0;
    }
    this.sinks.set(file.file, sink);
    this.resumed.add(file.file);
    this.heldBytes += bytes;
    return bytes;
  }

  private async store(chunk: Chunk): Promise<void> {
    const file = this.receiver.files[chunk.file] as ManifestFile;
    const length = chunk.bytes.length;
    const { digest, bytes } = await this.hash.chunk(this.key(chunk.file), file.size, chunk.bytes);
    if (hex(digest) !== hex(chunk.digest))
      throw new TransferFault('HASH_MISMATCH', 'A part of the file arrived damaged.', chunk.file);
    const sink = this.sinks.get(chunk.file) ?? (await this.sink.open(file, 0));
    this.sinks.set(chunk.file, sink);
    await sink.write(chunk.offset, bytes);
    this.waitingBytes -= length;
    this.receivedBytes += length;
    const { ack, whole } = this.receiver.verified(chunk.file, length);
    this.events.send({ type: 'FILE_ACK', bytes: ack });
    this.events.progress(this.heldBytes + this.receivedBytes);
    if (whole) await this.finish(file);
  }

  private async finish(file: ManifestFile): Promise<void> {
    const hash = await this.hash.finish(this.key(file.file));
    const sink = this.sinks.get(file.file) ?? (await this.sink.open(file, 0));
    this.sinks.delete(file.file);
    if (hash !== file.hash) {
      await sink.close(false);
      if (!this.resumed.delete(file.file))
        throw new TransferFault('HASH_MISMATCH', 'The file is not what was announced.', file.file);
      // What an earlier attempt left was wrong: the whole file once more.
      this.heldBytes = Math.max(0, this.heldBytes - file.size);
      this.events.send(this.receiver.wantWhole(file));
      return;
    }
    await sink.commit();
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

// Both ends of a transfer joined in memory: the drivers, the state machines and the frames' codec, without a browser.

import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES, decodeFrame, encodeFrame, type Frame } from '../../protocol/frames';
import { Blake3, blake3 } from '../blake3';
import type { TransferFault } from './fault';
import { type HashPort, hex } from './hashPort';
import { Incoming } from './incoming';
import { Outgoing } from './outgoing';
import { isSafePath, sendableName } from './paths';
import { Receiver } from './receiver';
import { Sender, WINDOW_BYTES } from './sender';
import { numbered, type Sink } from './sink';

function localHash(): HashPort {
  const streams = new Map<string, Blake3>();
  return {
    async chunk(bytes, stream) {
      if (stream !== undefined) streams.set(stream, (streams.get(stream) ?? new Blake3()).update(bytes));
      return { digest: blake3(bytes), bytes };
    },
    async finish(stream) {
      return hex((streams.get(stream) ?? new Blake3()).digest());
    },
    drop: (stream) => void streams.delete(stream),
    async blob(blob, progress) {
      progress(blob.size);
      return hex(blake3(new Uint8Array(await blob.arrayBuffer())));
    },
  };
}

function memory() {
  const written = new Map<string, Uint8Array>();
  const open = new Map<string, Uint8Array>();
  const sink: Sink = {
    kind: 'memory',
    open: async (file) => {
      const bytes = new Uint8Array(file.size);
      open.set(file.path, bytes);
      return {
        write: async (offset, part) => bytes.set(part, offset),
        commit: async () => void written.set(file.path, bytes),
        abort: async () => void open.delete(file.path),
      };
    },
  };
  return { sink, written };
}

function pseudoRandom(length: number): Uint8Array<ArrayBuffer> {
  let state = 42;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** Sends through the codec; `tamper` may change a frame on its way to the receiver. */
function run(
  files: { name: string; bytes: Uint8Array<ArrayBuffer> }[],
  tamper: (frame: Frame) => Frame = (f) => f,
  maxBytes?: number,
) {
  const { sink, written } = memory();
  const total = files.reduce((sum, file) => sum + file.bytes.length, 0);
  const copy = (frame: Frame) => decodeFrame(encodeFrame(frame));
  return new Promise<{ written: Map<string, Uint8Array>; fault?: TransferFault; delivered: boolean }>(
    (resolve) => {
      let delivered = false;
      const fault = (error: TransferFault) => resolve({ written, fault: error, delivered });
      const incoming: Incoming = new Incoming('s', maxBytes ?? total, sink, localHash(), {
        send: (frame) => queueMicrotask(() => outgoing.frame(copy(frame))),
        manifest: () => {},
        progress: () => {},
        fileDone: () => {},
        done: () => {
          delivered = true;
        },
        fault,
      });
      const outgoing: Outgoing = new Outgoing(
        files.map(({ name, bytes }) => ({ path: name, content: new File([bytes], name) })),
        localHash(),
        {
          send: (frame) => queueMicrotask(() => incoming.frame(copy(tamper(frame)))),
          writable: async () => {},
          prepared: () => {},
          manifest: () => {},
          progress: () => {},
          fileDone: () => {},
          done: () => resolve({ written, delivered }),
          fault,
        },
      );
      void outgoing.start();
    },
  );
}

describe('a transfer', () => {
  it('moves several files, empty ones too, byte for byte', async () => {
    const files = [
      { name: 'big.bin', bytes: pseudoRandom(2 * CHUNK_BYTES + 12_345) },
      { name: 'empty', bytes: new Uint8Array() },
      { name: 'exact.bin', bytes: pseudoRandom(CHUNK_BYTES) },
      { name: 'é.txt', bytes: new TextEncoder().encode('bonjour') },
    ];
    const { written, fault, delivered } = await run(files);
    expect(fault).toBeUndefined();
    expect(delivered).toBe(true);
    for (const { name, bytes } of files)
      expect(Buffer.from(written.get(name) ?? []).equals(Buffer.from(bytes))).toBe(true);
  });

  it('finds one flipped bit before it is written', async () => {
    const { written, fault } = await run([{ name: 'a', bytes: pseudoRandom(200_000) }], (frame) => {
      if (frame.type !== 'FILE_DATA' || frame.offset !== 65_536) return frame;
      const bytes = frame.bytes.slice();
      bytes[17] = (bytes[17] ?? 0) ^ 4;
      return { ...frame, bytes };
    });
    expect(fault?.code).toBe('HASH_MISMATCH');
    expect(written.size).toBe(0);
  });

  it('does not put a file in its place whose content is not what was announced', async () => {
    const { written, fault } = await run([{ name: 'a', bytes: pseudoRandom(1000) }], (frame) =>
      frame.type === 'FILE_MANIFEST'
        ? { ...frame, files: frame.files.map((file) => ({ ...file, hash: '0'.repeat(64) })) }
        : frame,
    );
    expect(fault?.code).toBe('HASH_MISMATCH');
    expect(written.size).toBe(0);
  });

  it.each(['../../.ssh/authorized_keys', '/etc/passwd', 'a\\b', 'CON', 'x\u202egpj.exe'])(
    'refuses the name %s',
    async (path) => {
      const { fault } = await run([{ name: 'a', bytes: pseudoRandom(10) }], (frame) =>
        frame.type === 'FILE_MANIFEST'
          ? { ...frame, files: frame.files.map((file) => ({ ...file, path })) }
          : frame,
      );
      expect(fault?.code).toBe('BAD_PATH');
    },
  );

  it('refuses more than was offered', async () => {
    const { fault } = await run([{ name: 'a', bytes: pseudoRandom(2000) }], undefined, 1999);
    expect(fault?.code).toBe('TOO_LARGE');
  });

  it('refuses data that was not announced', async () => {
    const { fault } = await run([{ name: 'a', bytes: pseudoRandom(2000) }], (frame) =>
      frame.type === 'FILE_DATA' ? { ...frame, offset: frame.offset + 1 } : frame,
    );
    expect(fault?.code).toBe('PROTOCOL');
  });
});

describe('Receiver', () => {
  const file = (path: string, at: number) => ({ file: at, path, size: 1, hash: '0'.repeat(64) });

  it('sees two names that would be one file on some disk', () => {
    const receiver = new Receiver(10);
    const frame = { type: 'FILE_MANIFEST' as const, files: [file('A.txt', 0), file('a.TXT', 1)], last: true };
    expect(() => receiver.manifest(frame)).toThrow(expect.objectContaining({ code: 'BAD_PATH' }));
  });

  it('takes a list in several parts and no second one', () => {
    const receiver = new Receiver(10);
    expect(receiver.manifest({ type: 'FILE_MANIFEST', files: [file('a', 0)], last: false })).toBeUndefined();
    expect(receiver.manifest({ type: 'FILE_MANIFEST', files: [file('b', 1)], last: true })).toHaveLength(2);
    expect(() => receiver.manifest({ type: 'FILE_MANIFEST', files: [], last: true })).toThrow();
  });
});

describe('Sender', () => {
  const large = { file: 0, path: 'a', size: 40 * CHUNK_BYTES, hash: '0'.repeat(64) };

  it('keeps to the window until the receiver acknowledges', () => {
    const sender = new Sender([large]);
    expect(sender.next()).toBe('wait');
    sender.want({ type: 'FILE_WANT', ranges: [{ file: 0, from: 0, to: 40 }], last: true });
    let sent = 0;
    for (let next = sender.next(); typeof next === 'object'; next = sender.next()) sent += next.length;
    expect(sent).toBe(WINDOW_BYTES);
    sender.ack(CHUNK_BYTES);
    expect(sender.next()).toMatchObject({ index: 16 });
    expect(() => sender.ack(100 * CHUNK_BYTES)).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
  });

  it('sends only what is lacking, and counts the rest as moved', () => {
    const sender = new Sender([large]);
    sender.want({ type: 'FILE_WANT', ranges: [{ file: 0, from: 38, to: 40 }], last: true });
    expect(sender.next()).toMatchObject({ index: 38 });
    expect(sender.next()).toMatchObject({ index: 39 });
    expect(sender.next()).toBe('end');
    expect(sender.moved).toBe(38 * CHUNK_BYTES);
  });

  it('refuses ranges that do not exist', () => {
    const sender = new Sender([large]);
    expect(() =>
      sender.want({ type: 'FILE_WANT', ranges: [{ file: 0, from: 0, to: 41 }], last: true }),
    ).toThrow();
    expect(() =>
      sender.want({ type: 'FILE_WANT', ranges: [{ file: 1, from: 0, to: 1 }], last: true }),
    ).toThrow();
  });

  it('cuts a long list into frames that fit', () => {
    const many = Array.from({ length: 3000 }, (_, at) => ({
      ...large,
      file: at,
      path: `folder/${'ü'.repeat(60)}${at}`,
    }));
    const frames = new Sender(many).manifest();
    for (const frame of frames) expect(encodeFrame(frame).length).toBeLessThan(65_600);
    expect(frames.flatMap((frame) => frame.files)).toHaveLength(3000);
    expect(frames.map((frame) => frame.last)).toEqual([...frames.slice(1).map(() => false), true]);
  });
});

describe('names', () => {
  it('of our own disk are made fit to be sent', () => {
    expect(sendableName('report.pdf')).toBe('report.pdf');
    for (const name of ['a:b', 'con', 'trailing. ', 'x\u202ey', '..', '\ud800'])
      expect(isSafePath(sendableName(name))).toBe(true);
  });

  it('that exist get a number before their extension', () => {
    expect([
      numbered('a.tar.gz', 0),
      numbered('a.tar.gz', 2),
      numbered('.env', 1),
      numbered('README', 1),
    ]).toEqual(['a.tar.gz', 'a.tar (2).gz', '.env (1)', 'README (1)']);
  });
});

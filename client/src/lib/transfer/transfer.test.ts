// Both ends of a transfer joined in memory: the drivers, the state machines and the frames' codec, without a browser.

import { describe, expect, it } from 'vitest';
import { type BundledFrame, CHUNK_BYTES, decodeFrame, encodeFrame, type Frame } from '../../protocol/frames';
import { blake3 } from '../blake3';
import { sendable, titleOf } from './chosen';
import type { TransferFault } from './fault';
import { FileHash } from './fileHash';
import { type HashPort, hex } from './hashPort';
import { Incoming } from './incoming';
import { Outgoing, prepare } from './outgoing';
import { isSafePath, numbered, sendableName } from './paths';
import { Receiver } from './receiver';
import { Sender, WINDOW_BYTES, WINDOW_CHUNKS } from './sender';
import { placeFor, type Sink } from './sink';

function localHash(): HashPort {
  const streams = new Map<string, FileHash>();
  const fill = async (size: number, blob: Blob) => {
    const file = new FileHash(size);
    for (let at = 0; at < blob.size; at += CHUNK_BYTES)
      file.add(new Uint8Array(await blob.slice(at, at + CHUNK_BYTES).arrayBuffer()));
    return file;
  };
  return {
    async chunk(stream, size, bytes) {
      const file = streams.get(stream) ?? new FileHash(size);
      streams.set(stream, file);
      return { digest: file.add(bytes), bytes };
    },
    async finish(stream) {
      const digest = hex((streams.get(stream) ?? new FileHash(0)).digest());
      streams.delete(stream);
      return digest;
    },
    drop: (stream) => void streams.delete(stream),
    async begin(stream, size, blob) {
      streams.set(stream, await fill(size, blob));
    },
    async blob(blob, progress) {
      progress(blob.size);
      const file = await fill(blob.size, blob);
      return { hash: hex(file.digest()), chunks: file.chunks };
    },
  };
}

/** Keeps parts by hash, as the browser's storage does. */
function memory(parts = new Map<string, Uint8Array<ArrayBuffer>>()) {
  const written = new Map<string, Uint8Array>();
  const sink: Sink = {
    kind: 'memory',
    held: async (file) => {
      const part = parts.get(file.hash);
      return part && new Blob([part]);
    },
    open: async (file, keep) => {
      let bytes = (parts.get(file.hash) ?? new Uint8Array()).slice(0, keep);
      return {
        write: async (offset, part) => {
          const grown = new Uint8Array(Math.max(bytes.length, offset + part.length));
          grown.set(bytes);
          grown.set(part, offset);
          bytes = grown;
        },
        commit: async () => void written.set(file.path, bytes),
        close: async (kept) => {
          if (kept) parts.set(file.hash, bytes);
          else parts.delete(file.hash);
        },
      };
    },
  };
  return { sink, written, parts };
}

function pseudoRandom(length: number): Uint8Array<ArrayBuffer> {
  let state = 42;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

interface Run {
  written: Map<string, Uint8Array>;
  fault?: TransferFault;
  delivered: boolean;
  /** Bytes of content that went over the channel. */
  moved: number;
  skipped: number;
}

interface RunOptions {
  /** May change a frame on its way to the receiver. */
  tamper?: (frame: Frame) => Frame;
  /** Of what the receiver says. */
  heard?: (frame: Frame) => void | Promise<void>;
  maxBytes?: number;
  wanted?: (path: string) => boolean;
  parts?: Map<string, Uint8Array<ArrayBuffer>>;
  /** The file as the browser hands it out. */
  chosen?: (bytes: Uint8Array<ArrayBuffer>, name: string) => File;
  ends?: (ends: { incoming: Incoming; outgoing: Outgoing }) => void;
  /** Both ends hear of several frames in one message, as from an agent. */
  bundled?: boolean;
}

function bundling(deliver: (frame: Frame) => void): (frame: Frame) => void {
  let waiting: BundledFrame[] = [];
  const flush = () => {
    if (waiting.length > 0) deliver({ type: 'FILE_BUNDLE', frames: waiting });
    waiting = [];
  };
  return (frame) => {
    switch (frame.type) {
      case 'FILE_CHUNK':
      case 'FILE_DATA':
      case 'FILE_ACK':
      case 'FILE_DONE':
        waiting.push(frame);
        if (waiting.length === 128) flush();
        else setTimeout(flush);
        return;
      default:
        flush();
        deliver(frame);
    }
  };
}

/** Sends through the codec. */
function run(files: { name: string; bytes: Uint8Array<ArrayBuffer> }[], options: RunOptions = {}) {
  const { tamper = (frame: Frame) => frame, wanted = () => true, maxBytes } = options;
  const { sink, written } = memory(options.parts);
  const total = files.reduce((sum, file) => sum + file.bytes.length, 0);
  const copy = (frame: Frame) => decodeFrame(encodeFrame(frame));
  const over = options.bundled ? bundling : (deliver: (frame: Frame) => void) => deliver;
  return new Promise<Run>((resolve) => {
    let delivered = false;
    let moved = 0;
    let skipped = 0;
    const result = () => ({ written, delivered, moved, skipped });
    const fault = (error: TransferFault) => resolve({ ...result(), fault: error });
    const toSender = over((frame) => outgoing.frame(copy(frame)));
    const toReceiver = over((frame) => incoming.frame(copy(tamper(frame))));
    const incoming: Incoming = new Incoming(
      's',
      maxBytes ?? total,
      ({ path }) => wanted(path),
      sink,
      localHash(),
      {
        send: (frame) =>
          queueMicrotask(() => {
            void options.heard?.(frame);
            toSender(frame);
          }),
        manifest: (_files, _size, unwanted) => {
          skipped = unwanted.size;
        },
        progress: () => {},
        paused: () => {},
        fileDone: () => {},
        done: () => {
          delivered = true;
        },
        fault,
      },
    );
    const fileOf = options.chosen ?? ((bytes, name) => new File([bytes], name));
    const chosen = files.map(({ name, bytes }) => ({ path: name, content: fileOf(bytes, name) }));
    const outgoing: Outgoing = new Outgoing(
      chosen,
      prepare(chosen, localHash(), () => {}),
      {
        send: (frame) =>
          queueMicrotask(() => {
            if (frame.type === 'FILE_DATA') moved += frame.bytes.length;
            toReceiver(frame);
          }),
        writable: async () => {},
        manifest: () => {},
        wanted: () => {},
        progress: () => {},
        paused: () => {},
        fileDone: () => {},
        done: () => resolve(result()),
        fault,
      },
    );
    options.ends?.({ incoming, outgoing });
    void outgoing.start();
  });
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

  it('asks for small files first, in the order of the list, so that a huge one holds back none of them', async () => {
    const files = [
      { name: 'huge', bytes: pseudoRandom(3 * CHUNK_BYTES) },
      { name: 'small', bytes: pseudoRandom(500) },
      { name: 'middle', bytes: pseudoRandom(CHUNK_BYTES + 1) },
      { name: 'begun', bytes: pseudoRandom(3 * CHUNK_BYTES + 1) },
      { name: 'smaller', bytes: pseudoRandom(20) },
    ];
    const begun = files[3]?.bytes ?? new Uint8Array();
    const parts = new Map([[hex(blake3(begun)), begun.slice(0, 3 * CHUNK_BYTES)]]);
    const chunks: number[] = [];
    const tamper = (frame: Frame) => {
      if (frame.type === 'FILE_CHUNK') chunks.push(frame.file);
      return frame;
    };
    const { written, fault } = await run(files, { parts, tamper });
    expect(fault).toBeUndefined();
    expect(written.size).toBe(5);
    expect(chunks).toEqual([1, 4, 2, 2, 0, 0, 0, 3]);
  });

  it('takes many frames in one message, both ways, and says that it does', async () => {
    const files = Array.from({ length: 300 }, (_, at) => ({
      name: `${at}`,
      bytes: pseudoRandom(1 + (at % 90)),
    }));
    const said = { sender: 0, receiver: 0, bundles: 0 };
    const { written, fault, delivered } = await run(files, {
      bundled: true,
      tamper: (frame) => {
        if (frame.type === 'FILE_MANIFEST' && frame.bundles) said.sender++;
        if (frame.type === 'FILE_BUNDLE' && frame.frames.length > 1) said.bundles++;
        return frame;
      },
      heard: (frame) => {
        if (frame.type === 'FILE_WANT' && frame.bundles) said.receiver++;
      },
    });
    expect(fault).toBeUndefined();
    expect(delivered).toBe(true);
    expect(said.sender).toBeGreaterThan(0);
    expect(said.receiver).toBeGreaterThan(0);
    expect(said.bundles).toBeGreaterThan(0);
    expect(said.bundles).toBeLessThan(300);
    for (const { name, bytes } of files)
      expect(Buffer.from(written.get(name) ?? []).equals(Buffer.from(bytes))).toBe(true);
  });

  it('finds one flipped bit before it is written', async () => {
    const { written, fault } = await run([{ name: 'a', bytes: pseudoRandom(200_000) }], {
      tamper: (frame) => {
        if (frame.type !== 'FILE_DATA' || frame.offset !== 65_536) return frame;
        const bytes = frame.bytes.slice();
        bytes[17] = (bytes[17] ?? 0) ^ 4;
        return { ...frame, bytes };
      },
    });
    expect(fault?.code).toBe('HASH_MISMATCH');
    expect(written.size).toBe(0);
  });

  it('does not put a file in its place whose content is not what was announced', async () => {
    const { written, fault } = await run([{ name: 'a', bytes: pseudoRandom(1000) }], {
      tamper: (frame) =>
        frame.type === 'FILE_MANIFEST'
          ? { ...frame, files: frame.files.map((file) => ({ ...file, hash: '0'.repeat(64) })) }
          : frame,
    });
    expect(fault?.code).toBe('HASH_MISMATCH');
    expect(written.size).toBe(0);
  });

  it.each(['../../.ssh/authorized_keys', '/etc/passwd', 'a\\b', 'CON', 'x\u202egpj.exe'])(
    'refuses the name %s',
    async (path) => {
      const { fault } = await run([{ name: 'a', bytes: pseudoRandom(10) }], {
        tamper: (frame) =>
          frame.type === 'FILE_MANIFEST'
            ? { ...frame, files: frame.files.map((file) => ({ ...file, path })) }
            : frame,
      });
      expect(fault?.code).toBe('BAD_PATH');
    },
  );

  it('says that a file vanished, before it is read and in the middle, and keeps nothing under its name', async () => {
    for (const [when, code] of [
      ['FILE_MANIFEST', 'SOURCE_GONE'],
      ['FILE_DATA', 'SOURCE_CHANGED'],
    ] as const) {
      let gone = when === 'FILE_MANIFEST';
      class Vanishing extends File {
        override slice(from?: number, to?: number): Blob {
          const part = super.slice(from, to);
          if (gone) part.arrayBuffer = () => Promise.reject(new DOMException('', 'NotFoundError'));
          return part;
        }
      }
      const { written, fault, delivered } = await run([{ name: 'a', bytes: pseudoRandom(2 * CHUNK_BYTES) }], {
        chosen: (bytes, name) => new Vanishing([bytes], name),
        tamper: (frame) => {
          gone ||= frame.type === when;
          return frame;
        },
      });
      expect(fault?.code).toBe(code);
      expect(fault?.message).toContain('a ');
      expect(delivered).toBe(false);
      expect(written.size).toBe(0);
    }
  });

  it('refuses more than was offered', async () => {
    const { fault } = await run([{ name: 'a', bytes: pseudoRandom(2000) }], { maxBytes: 1999 });
    expect(fault?.code).toBe('TOO_LARGE');
  });

  it('refuses data that was not announced', async () => {
    const { fault } = await run([{ name: 'a', bytes: pseudoRandom(2000) }], {
      tamper: (frame) => (frame.type === 'FILE_DATA' ? { ...frame, offset: frame.offset + 1 } : frame),
    });
    expect(fault?.code).toBe('PROTOCOL');
  });

  it('leaves out what the receiver does not want', async () => {
    const names = ['a/1', 'a/2', 'b', 'c/3', 'c/4'];
    const files = names.map((name) => ({ name, bytes: pseudoRandom(1000) }));
    const { written, delivered, moved, skipped } = await run(files, {
      wanted: (path) => path.startsWith('a/') || path === 'c/4',
    });
    expect(delivered).toBe(true);
    expect([...written.keys()]).toEqual(['a/1', 'a/2', 'c/4']);
    expect([moved, skipped]).toEqual([3000, 2]);
  });

  it('ends in order where nothing is wanted at all', async () => {
    const { delivered, moved } = await run([{ name: 'a', bytes: pseudoRandom(10) }], { wanted: () => false });
    expect([delivered, moved]).toEqual([true, 0]);
  });

  it('goes on from the whole chunks that an earlier attempt left', async () => {
    const bytes = pseudoRandom(3 * CHUNK_BYTES + 5);
    const parts = new Map([[hex(blake3(bytes)), bytes.slice(0, 2 * CHUNK_BYTES + 100)]]);
    const { written, moved } = await run([{ name: 'a', bytes }], { parts });
    expect(moved).toBe(CHUNK_BYTES + 5);
    expect(Buffer.from(written.get('a') ?? []).equals(Buffer.from(bytes))).toBe(true);
  });

  it('asks once more for the whole where what was left proves wrong', async () => {
    const bytes = pseudoRandom(2 * CHUNK_BYTES);
    const parts = new Map([[hex(blake3(bytes)), new Uint8Array(CHUNK_BYTES)]]);
    const { written, moved, fault } = await run([{ name: 'a', bytes }], { parts });
    expect(fault).toBeUndefined();
    expect(moved).toBe(3 * CHUNK_BYTES);
    expect(Buffer.from(written.get('a') ?? []).equals(Buffer.from(bytes))).toBe(true);
  });

  it('sends no chunk while either end has paused', async () => {
    const bytes = new Uint8Array(20 * CHUNK_BYTES);
    let ends: { incoming: Incoming; outgoing: Outgoing } | undefined;
    let chunks = 0;
    let whilePaused: number | undefined;
    const { delivered } = await run([{ name: 'a', bytes }], {
      ends: (both) => {
        ends = both;
      },
      tamper: (frame) => {
        if (frame.type === 'FILE_CHUNK') chunks++;
        return frame;
      },
      heard: async (frame) => {
        if (frame.type === 'FILE_ACK' && frame.bytes === 2 * CHUNK_BYTES) ends?.incoming.pause(true);
        if (frame.type !== 'FILE_PAUSE' || !frame.paused) return;
        const before = chunks;
        // Time enough for several chunks, were they sent.
        for (let turn = 0; turn < 500; turn++) await new Promise(setImmediate);
        whilePaused = chunks - before;
        ends?.incoming.pause(false);
      },
    });
    expect(delivered).toBe(true);
    expect(whilePaused).toBeLessThanOrEqual(1);
  });
});

describe('FileHash', () => {
  it.each([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 5 * CHUNK_BYTES + 17])(
    'is the hash of the whole at %i bytes',
    async (size) => {
      const bytes = pseudoRandom(size);
      const { hash } = await localHash().blob(new Blob([bytes]), () => {});
      expect(hash).toBe(hex(blake3(bytes)));
    },
  );
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

  it('keeps to a number of chunks, too, where they are small', () => {
    const files = Array.from({ length: WINDOW_CHUNKS + 10 }, (_, file) => ({
      ...large,
      file,
      path: `${file}`,
      size: 3,
    }));
    const sender = new Sender(files);
    sender.want({
      type: 'FILE_WANT',
      ranges: files.map(({ file }) => ({ file, from: 0, to: 1 })),
      last: true,
    });
    const drain = () => {
      let chunks = 0;
      while (typeof sender.next() === 'object') chunks++;
      return chunks;
    };
    expect(drain()).toBe(WINDOW_CHUNKS);
    sender.ack(3 * 7 + 2);
    expect(drain()).toBe(7);
    sender.ack(3 * WINDOW_CHUNKS);
    expect(drain()).toBe(3);
    expect(sender.next()).toBe('end');
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

describe('what was chosen', () => {
  const chosen = (path: string) => ({ path, content: new File([], 'x') });

  it('gets paths that are safe and differ on every disk', () => {
    const paths = sendable(['a/b.txt', 'a/B.TXT', 'a/con', 'c:/d'].map(chosen)).map(({ path }) => path);
    expect(paths).toEqual(['a/b.txt', 'a/B (1).TXT', 'a/_con', 'c_/d']);
  });

  it('is called by its one folder, else by its first file', () => {
    expect(titleOf([chosen('a/b'), chosen('a/c/d')])).toBe('a');
    expect(titleOf([chosen('a/b'), chosen('ab')])).toBe('a/b');
    expect(titleOf([chosen('note.txt')])).toBe('note.txt');
  });
});

describe('what this browser can take', () => {
  const can = { room: 1000, storage: true, picksFile: false, picksFolder: false };

  it('is said before the choice', () => {
    expect(placeFor({ size: 1000, count: 1, folders: false }, can).possible).toBe(true);
    expect(placeFor({ size: 1001, count: 1, folders: false }, can).possible).toBe(false);
    const picks = { ...can, picksFile: true, picksFolder: true };
    expect(placeFor({ size: 1001, count: 1, folders: false }, picks)).toEqual({
      possible: true,
      asks: 'file',
    });
    expect(placeFor({ size: 10, count: 2, folders: true }, picks)).toEqual({
      possible: true,
      asks: 'folder',
    });
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

// DataChannel frames (docs/protocol.md, section 4): one message is one frame, one byte of type and then the body.
// Integers are unsigned and big-endian. 64-bit positions are kept as numbers: 2^53 bytes are enough, more is refused.

import {
  array,
  boolean,
  count,
  type Decoded,
  DecodeError,
  type Decoder,
  hash,
  id,
  nullable,
  object,
  oneOf,
  optional,
  string,
  withDefault,
} from './decode';

const MAX_FRAME_BYTES = 65_600;
export const MAX_DATA_BYTES = 65_536;
export const CHUNK_BYTES = 1024 * 1024;
const DIGEST_BYTES = 32;
const MAX_BUNDLE_FRAMES = 128;

const hello = object({ protocol: count, session_id: id, cap_token: string });
const bye = object({ code: string, detail: withDefault(string, '') });
const renew = object({ cap_token: string });
const lease = object({
  holder: nullable(id),
  name: withDefault(string, ''),
  epoch: withDefault(count, 0),
  you: withDefault(boolean, false),
  may_decide: optional(boolean),
});
const viewers = object({ viewers: array(object({ peer_id: id, name: string })) });
const termState = object({ paused: boolean, recording: boolean });
/** Of viewers that answer for the host's owner. */
const deciding = {
  TERM_DECIDE: object({ decides: boolean }),
  TERM_ASK: object({ id: count, capability: string, who: string, room: string }),
  TERM_WITHDRAWN: object({ id: count }),
  TERM_ANSWER: object({
    id: count,
    answer: oneOf('yes', 'no', 'always_person', 'always_room', 'never_person'),
  }),
};
type DecidingFrame = {
  [T in keyof typeof deciding]: { type: T } & Decoded<(typeof deciding)[T]>;
}[keyof typeof deciding];
const manifestFile = object({
  file: count,
  path: string,
  size: count,
  hash,
  modified_at: optional(count),
  mode: optional(count),
});
const range = object({ file: count, from: count, to: count });
const manifest = object({ files: array(manifestFile), last: boolean, bundles: optional(boolean) });
const skipped = object({ from: count, to: count });
const want = object({
  ranges: array(range),
  skip: optional(array(skipped)),
  last: boolean,
  bundles: optional(boolean),
});
const pause = object({ paused: boolean });
const done = object({ file: count, hash });
const fileError = object({ file: nullable(count), code: string, detail: withDefault(string, '') });

const folderEntry = object({ path: string, folder: boolean, size: count, modified_at: optional(count) });
const folder = {
  FOLDER_OPEN: object({
    act: string,
    paths: optional(array(string)),
    path: optional(string),
    size: optional(count),
    count: optional(count),
  }),
  FOLDER_OPENED: object({ label: string, drop: boolean, size: count, count }),
  FOLDER_LIST: object({ id: count, path: string }),
  FOLDER_ENTRIES: object({ id: count, entries: array(folderEntry), last: boolean, more: boolean }),
  FOLDER_SEARCH: object({ id: count, path: string, text: string }),
  FOLDER_PREVIEW: object({ id: count, path: string }),
  FOLDER_PREVIEWED: object({ id: count, media_type: string, size: count, more: boolean }),
  FOLDER_CHANGED: object({ path: string }),
  FOLDER_FAILED: object({ id: count, code: string, detail: string }),
};
/** Of calls and shared screens. */
const call = {
  MEDIA_STATE: object({ audio: boolean, video: boolean, recording: boolean }),
  SCREEN_STATE: object({
    mode: oneOf('detail', 'motion'),
    viewers: array(object({ peer_id: id, name: string, recording: boolean })),
  }),
  SCREEN_POINTER: object({
    peer_id: optional(id),
    name: optional(string),
    x: optional(count),
    y: optional(count),
  }),
};
type CallFrame = {
  [T in keyof typeof call]: { type: T } & Decoded<(typeof call)[T]>;
}[keyof typeof call];
type FolderFrame = {
  [T in keyof typeof folder]: { type: T } & Decoded<(typeof folder)[T]>;
}[keyof typeof folder];

export type FolderEntry = Decoded<typeof folderEntry>;
export type ManifestFile = Decoded<typeof manifestFile>;
export type Range = Decoded<typeof range>;
export type Skipped = Decoded<typeof skipped>;
export type Lease = Decoded<typeof lease>;
export type Question = Decoded<typeof deciding.TERM_ASK>;
export type Answer = Decoded<typeof deciding.TERM_ANSWER>['answer'];

export type Frame =
  | ({ type: 'HELLO' } & Decoded<typeof hello>)
  | ({ type: 'BYE' } & Decoded<typeof bye>)
  | ({ type: 'RENEW' } & Decoded<typeof renew>)
  | {
      type: 'TERM_SNAPSHOT';
      first: boolean;
      last: boolean;
      cols: number;
      rows: number;
      seq: number;
      bytes: Uint8Array;
    }
  | { type: 'TERM_OUT'; seq: number; bytes: Uint8Array }
  | { type: 'TERM_IN'; epoch: number; bytes: Uint8Array }
  | { type: 'TERM_RESIZE'; epoch: number; cols: number; rows: number }
  | ({ type: 'TERM_LEASE' } & Lease)
  | { type: 'TERM_ACK'; seq: number }
  | { type: 'TERM_EXIT'; code: number | null }
  | ({ type: 'TERM_VIEWERS' } & Decoded<typeof viewers>)
  | ({ type: 'TERM_STATE' } & Decoded<typeof termState>)
  | DecidingFrame
  | FolderFrame
  | CallFrame
  | { type: 'FOLDER_DATA'; id: number; bytes: Uint8Array }
  | ({ type: 'FILE_MANIFEST' } & Decoded<typeof manifest>)
  | ({ type: 'FILE_WANT' } & Decoded<typeof want>)
  | { type: 'FILE_CHUNK'; file: number; chunk: number; len: number; digest: Uint8Array }
  | { type: 'FILE_DATA'; file: number; offset: number; bytes: Uint8Array }
  | { type: 'FILE_ACK'; bytes: number }
  | ({ type: 'FILE_DONE' } & Decoded<typeof done>)
  | ({ type: 'FILE_ERROR' } & Decoded<typeof fileError>)
  | ({ type: 'FILE_PAUSE' } & Decoded<typeof pause>)
  | { type: 'FILE_BUNDLE'; frames: BundledFrame[] };

/** What goes in a bundle: of small files, so that they do not cost a message for each frame. */
export type BundledFrame = Extract<Frame, { type: 'FILE_CHUNK' | 'FILE_DATA' | 'FILE_ACK' | 'FILE_DONE' }>;

export type FrameType = Frame['type'];
export type FrameOf<T extends FrameType> = Extract<Frame, { type: T }>;

const CODE: Record<FrameType, number> = {
  HELLO: 0x01,
  BYE: 0x02,
  RENEW: 0x03,
  TERM_SNAPSHOT: 0x10,
  TERM_OUT: 0x11,
  TERM_IN: 0x12,
  TERM_RESIZE: 0x13,
  TERM_LEASE: 0x14,
  TERM_ACK: 0x15,
  TERM_EXIT: 0x16,
  TERM_VIEWERS: 0x17,
  TERM_STATE: 0x18,
  TERM_DECIDE: 0x19,
  TERM_ASK: 0x1a,
  TERM_WITHDRAWN: 0x1b,
  TERM_ANSWER: 0x1c,
  FOLDER_OPEN: 0x30,
  FOLDER_OPENED: 0x31,
  FOLDER_LIST: 0x32,
  FOLDER_ENTRIES: 0x33,
  FOLDER_SEARCH: 0x34,
  FOLDER_PREVIEW: 0x35,
  FOLDER_PREVIEWED: 0x36,
  FOLDER_DATA: 0x37,
  FOLDER_CHANGED: 0x38,
  FOLDER_FAILED: 0x39,
  FILE_MANIFEST: 0x20,
  FILE_WANT: 0x21,
  FILE_CHUNK: 0x22,
  FILE_DATA: 0x23,
  FILE_ACK: 0x24,
  FILE_DONE: 0x25,
  FILE_ERROR: 0x26,
  FILE_PAUSE: 0x27,
  FILE_BUNDLE: 0x28,
  MEDIA_STATE: 0x40,
  SCREEN_STATE: 0x41,
  SCREEN_POINTER: 0x42,
};
const NAME = new Map<number, FrameType>(
  Object.entries(CODE).map(([name, code]) => [code, name as FrameType]),
);

type JsonFrame = Extract<
  FrameType,
  | 'HELLO'
  | 'BYE'
  | 'RENEW'
  | 'TERM_LEASE'
  | 'TERM_EXIT'
  | 'TERM_VIEWERS'
  | 'TERM_STATE'
  | keyof typeof deciding
  | keyof typeof folder
  | keyof typeof call
  | 'FILE_MANIFEST'
  | 'FILE_WANT'
  | 'FILE_DONE'
  | 'FILE_ERROR'
  | 'FILE_PAUSE'
>;
const JSON_BODY: Record<JsonFrame, Decoder<object>> = {
  HELLO: hello,
  BYE: bye,
  RENEW: renew,
  TERM_LEASE: lease,
  TERM_EXIT: object({ code: nullable(exitCode) }),
  TERM_VIEWERS: viewers,
  TERM_STATE: termState,
  ...deciding,
  ...folder,
  ...call,
  FILE_MANIFEST: manifest,
  FILE_WANT: want,
  FILE_DONE: done,
  FILE_ERROR: fileError,
  FILE_PAUSE: pause,
};

function exitCode(value: unknown, path = ''): number {
  if (!Number.isSafeInteger(value)) throw new DecodeError(path, 'an integer');
  return value as number;
}

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder('utf-8', { fatal: true });

/** Throws DecodeError on anything that is not one whole, known frame. The bytes of a frame are views, not copies. */
export function decodeFrame(message: ArrayBuffer | Uint8Array): Frame {
  const bytes = message instanceof Uint8Array ? message : new Uint8Array(message);
  if (bytes.length === 0 || bytes.length > MAX_FRAME_BYTES)
    throw new DecodeError('frame', '1 to 65,600 bytes');
  const type = NAME.get(bytes[0] as number);
  if (!type) throw new DecodeError('frame', 'a known type');
  const body = bytes.subarray(1);
  if (type in JSON_BODY) return { type, ...jsonBody(type as JsonFrame, body) } as Frame;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const need = (length: number) => {
    if (body.length < length) throw new DecodeError(type, `at least ${length} bytes`);
  };
  const exactly = (length: number) => {
    if (body.length !== length) throw new DecodeError(type, `${length} bytes`);
  };
  switch (type) {
    case 'TERM_SNAPSHOT': {
      need(13);
      const flags = view.getUint8(0);
      return {
        type,
        first: (flags & 1) !== 0,
        last: (flags & 2) !== 0,
        cols: view.getUint16(1),
        rows: view.getUint16(3),
        seq: position(view, 5),
        bytes: body.subarray(13),
      };
    }
    case 'TERM_OUT':
      need(8);
      return { type, seq: position(view, 0), bytes: body.subarray(8) };
    case 'TERM_IN':
      need(4);
      return { type, epoch: view.getUint32(0), bytes: body.subarray(4) };
    case 'FOLDER_DATA':
      need(4);
      return { type, id: view.getUint32(0), bytes: body.subarray(4) };
    case 'TERM_RESIZE':
      exactly(8);
      return { type, epoch: view.getUint32(0), cols: view.getUint16(4), rows: view.getUint16(6) };
    case 'TERM_ACK':
      exactly(8);
      return { type, seq: position(view, 0) };
    case 'FILE_CHUNK':
      exactly(12 + DIGEST_BYTES);
      return {
        type,
        file: view.getUint32(0),
        chunk: view.getUint32(4),
        len: view.getUint32(8),
        digest: body.subarray(12, 12 + DIGEST_BYTES),
      };
    case 'FILE_DATA':
      need(12);
      return { type, file: view.getUint32(0), offset: position(view, 4), bytes: body.subarray(12) };
    case 'FILE_ACK':
      exactly(8);
      return { type, bytes: position(view, 0) };
    case 'FILE_BUNDLE':
      return { type, frames: bundled(body, view) };
    default:
      throw new DecodeError('frame', 'a known type');
  }
}

function bundled(body: Uint8Array, view: DataView): BundledFrame[] {
  const frames: BundledFrame[] = [];
  let at = 0;
  while (at < body.length || at === 0) {
    if (frames.length === MAX_BUNDLE_FRAMES) throw new DecodeError('FILE_BUNDLE', 'at most 128 frames');
    const from = at + 4;
    at = from <= body.length ? from + view.getUint32(at) : Number.POSITIVE_INFINITY;
    if (at > body.length) throw new DecodeError('FILE_BUNDLE', 'whole frames');
    const code = body[from] as number;
    if (at === from || code < CODE.FILE_CHUNK || code > CODE.FILE_DONE)
      throw new DecodeError('FILE_BUNDLE', 'chunks and what is said of them');
    frames.push(decodeFrame(body.subarray(from, at)) as BundledFrame);
  }
  return frames;
}

function jsonBody(type: JsonFrame, body: Uint8Array): object {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8.decode(body));
  } catch {
    throw new DecodeError(type, 'a JSON object');
  }
  return JSON_BODY[type](value, type);
}

function position(view: DataView, at: number): number {
  const value = view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
  if (!Number.isSafeInteger(value)) throw new DecodeError('position', 'at most 2^53 - 1');
  return value;
}

export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  switch (frame.type) {
    case 'TERM_SNAPSHOT': {
      const [out, view] = allocate(frame.type, 13 + frame.bytes.length);
      view.setUint8(1, (frame.first ? 1 : 0) | (frame.last ? 2 : 0));
      view.setUint16(2, frame.cols);
      view.setUint16(4, frame.rows);
      setPosition(view, 6, frame.seq);
      out.set(frame.bytes, 14);
      return out;
    }
    case 'TERM_OUT': {
      const [out, view] = allocate(frame.type, 8 + frame.bytes.length);
      setPosition(view, 1, frame.seq);
      out.set(frame.bytes, 9);
      return out;
    }
    case 'TERM_IN': {
      const [out, view] = allocate(frame.type, 4 + frame.bytes.length);
      view.setUint32(1, frame.epoch);
      out.set(frame.bytes, 5);
      return out;
    }
    case 'FOLDER_DATA': {
      const [out, view] = allocate(frame.type, 4 + frame.bytes.length);
      view.setUint32(1, frame.id);
      out.set(frame.bytes, 5);
      return out;
    }
    case 'TERM_RESIZE': {
      const [out, view] = allocate(frame.type, 8);
      view.setUint32(1, frame.epoch);
      view.setUint16(5, frame.cols);
      view.setUint16(7, frame.rows);
      return out;
    }
    case 'TERM_ACK': {
      const [out, view] = allocate(frame.type, 8);
      setPosition(view, 1, frame.seq);
      return out;
    }
    case 'FILE_CHUNK': {
      const [out, view] = allocate(frame.type, 12 + DIGEST_BYTES);
      view.setUint32(1, frame.file);
      view.setUint32(5, frame.chunk);
      view.setUint32(9, frame.len);
      out.set(frame.digest, 13);
      return out;
    }
    case 'FILE_DATA': {
      const [out, view] = allocate(frame.type, 12 + frame.bytes.length);
      view.setUint32(1, frame.file);
      setPosition(view, 5, frame.offset);
      out.set(frame.bytes, 13);
      return out;
    }
    case 'FILE_ACK': {
      const [out, view] = allocate(frame.type, 8);
      setPosition(view, 1, frame.bytes);
      return out;
    }
    case 'FILE_BUNDLE': {
      const parts = frame.frames.map(encodeFrame);
      const [out, view] = allocate(
        frame.type,
        parts.reduce((sum, part) => sum + 4 + part.length, 0),
      );
      let at = 1;
      for (const part of parts) {
        view.setUint32(at, part.length);
        out.set(part, at + 4);
        at += 4 + part.length;
      }
      return out;
    }
    default: {
      const { type, ...body } = frame;
      const json = utf8.encode(JSON.stringify(body));
      const [out] = allocate(type, json.length);
      out.set(json, 1);
      return out;
    }
  }
}

function allocate(type: FrameType, body: number): [Uint8Array<ArrayBuffer>, DataView] {
  if (1 + body > MAX_FRAME_BYTES)
    throw new RangeError(`${type} of ${1 + body} bytes exceeds ${MAX_FRAME_BYTES}`);
  const out = new Uint8Array(1 + body);
  out[0] = CODE[type];
  return [out, new DataView(out.buffer)];
}

function setPosition(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 0x1_0000_0000));
  view.setUint32(at + 4, value % 0x1_0000_0000);
}

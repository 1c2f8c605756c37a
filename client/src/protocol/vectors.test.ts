// The golden messages that the Rust side reads too: both ends agree byte for byte, or one of them fails its tests.

import { readFileSync } from 'node:fs';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { createVerifier } from '../lib/capability';
import { collisionKey, isSafePath } from '../lib/transfer/paths';
import { DecodeError } from './decode';
import { decodeFrame, encodeFrame, type FrameOf, type FrameType } from './frames';
import type * as generated from './generated';
import { jwks } from './rest';
import { decodeEvent, type EventPayload, type EventType } from './signal';

function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../protocol/vectors/${name}.json`, import.meta.url), 'utf8'));
}

describe('channel frames', () => {
  const frames = vectors<{ name: string; hex: string }[]>('channel');

  it.each(frames)('$name decodes and encodes to the same bytes', ({ hex }) => {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    const frame = decodeFrame(bytes);
    const again = encodeFrame(frame);
    expect(again[0]).toBe(bytes[0]);
    // JSON bodies may order their members differently; binary ones are equal to the byte.
    if (bytes[1] === 0x7b) expect(decodeFrame(again)).toEqual(frame);
    else expect(Buffer.from(again).toString('hex')).toBe(hex);
  });

  it.each(frames)('$name cut short or flipped never passes for something else silently', ({ hex }) => {
    const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
    for (let length = 0; length < bytes.length; length++) {
      try {
        decodeFrame(bytes.slice(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      try {
        decodeFrame(flipped);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }
  });

  it('covers every type of frame', () => {
    const seen = new Set(frames.map(({ hex }) => Number.parseInt(hex.slice(0, 2), 16)));
    expect([...seen].sort((a, b) => a - b)).toEqual([
      1, 2, 3, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x20, 0x21, 0x22,
      0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x40,
      0x41, 0x42,
    ]);
  });
});

describe('messages of the server', () => {
  const { server } = vectors<{ server: { type: string; from?: string; payload: unknown }[] }>('signal');

  it.each(server.map((message) => [message.type, message] as const))('%s', (type, message) => {
    const event = decodeEvent(JSON.stringify(message));
    // Calls and screens are not on this page yet: unknown types are ignored, never an error.
    if (!event) {
      expect(type).toMatch(/^(call|screen\.share|terminal\.(share\.request|control\.(take|release)))/);
      return;
    }
    expect(event.type).toBe(type);
    expect(event.from).toBe(message.from ?? '');
    expect(message.payload).toMatchObject(JSON.parse(JSON.stringify(event.payload)));
  });
});

describe('capability tokens', () => {
  const {
    expected,
    jwks: keys,
    now,
    tokens,
  } = vectors<{
    expected: Record<string, string>;
    jwks: unknown;
    now: number;
    tokens: { name: string; ok: boolean; token: string }[];
  }>('capability');
  const want = {
    roomId: expected.room_id ?? '',
    sessionId: expected.session_id ?? '',
    bearer: expected.bearer ?? '',
    target: expected.target ?? '',
    capability: expected.capability ?? '',
    fingerprint: expected.fingerprint ?? '',
  };

  it.each(tokens)('$name', async ({ ok, token }) => {
    const verify = createVerifier(
      async () => jwks(keys).keys,
      () => now * 1000,
    );
    const verdict = await verify(token, want).then(
      () => true,
      () => false,
    );
    expect(verdict).toBe(ok);
  });

  it.each(tokens)('$name, without WebCrypto', async ({ ok, token }) => {
    const verify = createVerifier(
      async () => jwks(keys).keys,
      () => now * 1000,
      null,
    );
    const verdict = await verify(token, want).then(
      () => true,
      () => false,
    );
    expect(verdict).toBe(ok);
  });
});

describe('paths', () => {
  it.each(vectors<{ path: string; ok: boolean }[]>('paths'))('$path', ({ path, ok }) => {
    expect(isSafePath(path)).toBe(ok);
  });

  it('sees names that collide on some disk', () => {
    expect(collisionKey('Café.txt')).toBe(collisionKey('CAFE\u0301.TXT'));
  });
});

// The decoders take everything that the generated types say the server sends. Checked by the compiler.
describe('types', () => {
  type ServerPayload<T extends EventType> = Extract<generated.ServerMessage, { type: T }>['payload'];
  type Simple = Exclude<
    EventType,
    | 'rtc.ice'
    | 'rtc.offer'
    | 'rtc.answer'
    | `share.${string}.request`
    | 'terminal.share.request'
    | 'call.request'
    | 'screen.share.request'
  >;
  type Mismatch = { [T in Simple]: ServerPayload<T> extends EventPayload<T> ? never : T }[Simple];

  it('agree with the generated ones', () => {
    expectTypeOf<Mismatch>().toEqualTypeOf<never>();
    expectTypeOf<Exclude<EventType, generated.ServerMessage['type']>>().toEqualTypeOf<never>();
    expectTypeOf<generated.Hello>().toExtend<Omit<FrameOf<'HELLO'>, 'type'>>();
    expectTypeOf<generated.FileManifest>().toExtend<Omit<FrameOf<'FILE_MANIFEST'>, 'type'>>();
    expectTypeOf<generated.TermDecide>().toExtend<Omit<FrameOf<'TERM_DECIDE'>, 'type'>>();
    expectTypeOf<generated.TermAsk>().toExtend<Omit<FrameOf<'TERM_ASK'>, 'type'>>();
    expectTypeOf<generated.TermWithdrawn>().toExtend<Omit<FrameOf<'TERM_WITHDRAWN'>, 'type'>>();
    expectTypeOf<generated.TermAnswer>().toExtend<Omit<FrameOf<'TERM_ANSWER'>, 'type'>>();
    expectTypeOf<generated.TermState>().toExtend<Omit<FrameOf<'TERM_STATE'>, 'type'>>();
    expectTypeOf<generated.FilePause>().toExtend<Omit<FrameOf<'FILE_PAUSE'>, 'type'>>();
    expectTypeOf<generated.FileWant>().toExtend<Omit<FrameOf<'FILE_WANT'>, 'type'>>();
    expectTypeOf<FrameType>().toBeString();
  });
});

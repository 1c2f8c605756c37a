// Verifies a capability token with the server's published keys, on our own, before anything of a session is believed
// (docs/protocol.md, sections 2 and 4).
//
// Ed25519 comes from WebCrypto. Where that is missing (older browsers, or a page on plain http away from localhost) a
// JavaScript implementation is loaded on first use; libraries that only wrap WebCrypto would fail in the same places.

import { DecodeError, isRecord } from '../protocol/decode';
import type { Jwk } from '../protocol/rest';
import { type Claims, claims } from '../protocol/signal';

const LEEWAY_S = 5;
/** Unknown key ids make us ask again, but not more often than this. */
const KEYS_MIN_AGE_MS = 10_000;

export class CapabilityRefused extends Error {
  constructor(why: string) {
    super(`The other side's permission was refused: ${why}.`);
    this.name = 'CapabilityRefused';
  }
}

interface Expected {
  roomId: string;
  sessionId: string;
  /** The bearer: the peer that the server named as sender. */
  bearer: string;
  /** The verifier itself. */
  target: string;
  capability: string;
  /** `sha-256 AB:CD:…` of the certificate that the connection was made with. */
  fingerprint: string;
}

export type Verify = (token: string, expected: Expected) => Promise<Claims>;

export function createVerifier(
  fetchKeys: () => Promise<Jwk[]>,
  now: () => number = Date.now,
  /** Null where the browser has none. */
  subtle: SubtleCrypto | null = globalThis.crypto?.subtle ?? null,
): Verify {
  let keys: Promise<Jwk[]> | undefined;
  let fetchedAt = 0;

  async function keyFor(kid: string): Promise<Jwk> {
    if (!keys) refresh();
    let found = (await keys)?.find((key) => key.kid === kid);
    if (!found && now() - fetchedAt >= KEYS_MIN_AGE_MS) {
      refresh();
      found = (await keys)?.find((key) => key.kid === kid);
    }
    if (!found) throw new CapabilityRefused('it is signed with an unknown key');
    return found;
  }

  function refresh() {
    fetchedAt = now();
    const asked = fetchKeys();
    keys = asked;
    asked.catch(() => {
      if (keys === asked) keys = undefined;
    });
  }

  return async (token, expected) => {
    const { header, body, signed, signature } = split(token);
    if (header.typ !== 'mesh-cap+jwt' || header.alg !== 'EdDSA' || typeof header.kid !== 'string')
      throw new CapabilityRefused('it is not a capability');
    const key = await keyFor(header.kid);
    if (!(await verifyEd25519(subtle, key.x, signature, signed)))
      throw new CapabilityRefused('its signature is wrong');
    let found: Claims;
    try {
      found = claims(body);
    } catch (error) {
      if (error instanceof DecodeError) throw new CapabilityRefused('its claims are incomplete');
      throw error;
    }
    check(found, expected, Math.floor(now() / 1000));
    return found;
  };
}

/** Every claim that ties the token to this one connection. */
function check(found: Claims, expected: Expected, nowSeconds: number): void {
  const must = (holds: boolean, why: string) => {
    if (!holds) throw new CapabilityRefused(why);
  };
  must(found.iss === 'mesh:caps' && found.aud === 'mesh:cap', 'it comes from elsewhere');
  must(found.exp + LEEWAY_S >= nowSeconds, 'it has expired');
  must(found.iat - LEEWAY_S <= nowSeconds, 'it is not valid yet');
  must(found.room_id === expected.roomId, 'it is for another room');
  must(found.session_id === expected.sessionId, 'it is for another session');
  must(found.sub === expected.bearer, 'it belongs to another peer');
  must(found.target_peer_id === expected.target, 'it is meant for another peer');
  must(found.caps.includes(expected.capability), 'it does not cover this feature');
  must(
    found.cnf !== undefined && normalFingerprint(found.cnf.fp) === normalFingerprint(expected.fingerprint),
    'it is for another connection',
  );
}

function normalFingerprint(fingerprint: string): string {
  const [algorithm = '', value = ''] = fingerprint.trim().split(/\s+/);
  return `${algorithm.toLowerCase()} ${value.toUpperCase()}`;
}

function split(token: string) {
  const parts = token.split('.');
  const [head = '', payload = '', signature = ''] = parts;
  if (parts.length !== 3) throw new CapabilityRefused('it is not a token');
  try {
    const header: unknown = JSON.parse(new TextDecoder().decode(fromBase64Url(head)));
    const body: unknown = JSON.parse(new TextDecoder().decode(fromBase64Url(payload)));
    if (!isRecord(header)) throw new SyntaxError('header');
    return {
      header,
      body,
      signed: new TextEncoder().encode(`${head}.${payload}`),
      signature: fromBase64Url(signature),
    };
  } catch {
    throw new CapabilityRefused('it is not a token');
  }
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) throw new SyntaxError('base64url');
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
}

async function verifyEd25519(
  subtle: SubtleCrypto | null,
  x: string,
  signature: Uint8Array<ArrayBuffer>,
  signed: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const raw = fromBase64Url(x);
  if (subtle) {
    let key: CryptoKey | undefined;
    try {
      key = await subtle.importKey('raw', raw, { name: 'Ed25519' }, false, ['verify']);
    } catch (error) {
      if (!(error instanceof DOMException && error.name === 'NotSupportedError')) return false;
    }
    if (key) return subtle.verify({ name: 'Ed25519' }, key, signature, signed);
  }
  const { ed25519 } = await import('@noble/curves/ed25519.js');
  try {
    return ed25519.verify(signature, signed, raw, { zip215: false });
  } catch {
    return false;
  }
}

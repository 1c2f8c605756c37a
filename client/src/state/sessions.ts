// What terminals, transfers and shared folders have in common: fresh capability tokens for one session, its connection, and
// its messages delivered to whoever handles it.

import { type Api, ApiError, type CapRequest } from '../lib/api';
import type { Verify } from '../lib/capability';
import { createIdentity, type Identity, type LinkOptions, PeerLink } from '../lib/rtc';
import { SignalError, type Socket } from '../lib/ws';
import type { CapGrant } from '../protocol/rest';
import type { SignalEvent } from '../protocol/signal';

/** A token with less life than this is replaced: it must still be valid when the other end looks at it. */
const MIN_LIFE_S = 30;

export function tokenSource(api: Pick<Api, 'capability'>, request: CapRequest): () => Promise<string> {
  let grant: Promise<CapGrant> | undefined;
  return async () => {
    const now = Date.now() / 1000;
    const current = await grant?.catch(() => undefined);
    if (!current || current.exp - now < MIN_LIFE_S) grant = api.capability(request);
    return (await (grant as Promise<CapGrant>)).cap_token;
  };
}

/** Delivers messages that carry a `session_id` to the handler of that session, from its remote peer only. */
export class SessionRouter {
  private readonly handlers = new Map<string, { remote: string; handle: (event: SignalEvent) => void }>();

  register(sessionId: string, remote: string, handle: (event: SignalEvent) => void): () => void {
    this.handlers.set(sessionId, { remote, handle });
    return () => {
      if (this.handlers.get(sessionId)?.handle === handle) this.handlers.delete(sessionId);
    };
  }

  /** Returns whether somebody took it. */
  deliver(event: SignalEvent): boolean {
    const sessionId = 'session_id' in event.payload ? event.payload.session_id : undefined;
    if (!sessionId) return false;
    const handler = this.handlers.get(sessionId);
    if (!handler) return false;
    // `cap.revoked` comes from the server itself; everything else only from the other party.
    if (event.type !== 'cap.revoked' && event.from !== handler.remote) return false;
    handler.handle(event);
    return true;
  }
}

/** Asks the server for the ICE servers; without an answer, direct connections on the local network still work. */
async function iceServers(api: Pick<Api, 'ice'>): Promise<RTCIceServer[]> {
  try {
    return (await api.ice()).ice_servers;
  } catch (error) {
    console.debug('no ICE servers', error);
    return [];
  }
}

export interface Opening {
  identity: Identity;
  token: () => Promise<string>;
  ice: RTCIceServer[];
  /** Those of this moment: what gives access to a relay lasts minutes. */
  freshIce: () => Promise<RTCIceServer[]>;
}

/** Certificate first, so that its fingerprint is in the capability. */
export async function openingFor(
  api: Pick<Api, 'capability' | 'ice'>,
  request: Omit<CapRequest, 'fingerprint'>,
): Promise<Opening> {
  if (typeof RTCPeerConnection === 'undefined')
    throw new SignalError('NO_WEBRTC', 'This browser has no WebRTC.');
  const [identity, ice] = await Promise.all([createIdentity(), iceServers(api)]);
  const freshIce = () => iceServers(api);
  return {
    identity,
    ice,
    freshIce,
    token: tokenSource(api, { ...request, fingerprint: identity.fingerprint }),
  };
}

type LinkEvents = Pick<LinkOptions, 'onOpen' | 'onFrame' | 'onPath' | 'onEnd'>;

/** The connection of one session, whose descriptions and candidates go through the server. */
export function linkFor(
  { socket, verify }: { socket: Socket; verify: Verify },
  session: Pick<LinkOptions, 'feature' | 'roomId' | 'sessionId' | 'self' | 'remote'>,
  opening: Opening,
  refused: (error: Error) => void,
  on: LinkEvents,
): PeerLink {
  const { feature, roomId: room_id, sessionId: session_id, remote: target } = session;
  const party = { room_id, target, session_id, feature };
  return new PeerLink({
    ...session,
    identity: opening.identity,
    iceServers: opening.ice,
    freshIceServers: opening.freshIce,
    capability: opening.token,
    verify,
    signal: {
      offer: (sdp, cap_token) => socket.relay('rtc.offer', { ...party, cap_token, sdp }, refused),
      answer: (sdp, cap_token) => socket.relay('rtc.answer', { ...party, cap_token, sdp }, refused),
      candidate: (candidate, cap_token) => void socket.send('rtc.ice', { ...party, cap_token, candidate }),
      data:
        feature === 'terminal' && socket.current.terminalData
          ? (seq, data) => void socket.send('terminal.data', { room_id, target, session_id, seq, data })
          : undefined,
    },
    ...on,
  });
}

/** The code of any failure, for the sentence that explains it. */
export function failureOf(error: unknown): { code: string; detail: string } {
  if (error instanceof ApiError || error instanceof SignalError)
    return { code: error.code, detail: error.message };
  return { code: 'IO', detail: error instanceof Error ? error.message : String(error) };
}

export function myPeer(socket: Socket): string {
  const peerId = socket.current.peerId;
  if (!peerId || socket.current.status !== 'online')
    throw new SignalError('OFFLINE', 'Not connected to the server right now.');
  return peerId;
}

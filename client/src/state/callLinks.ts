// What a call and a shared screen have in common: a connection to each of the others, made and proved like the rest.

import { MediaLink, type MediaLinkOptions } from '../lib/call/mediaLink';
import type { EventOf } from '../protocol/signal';
import type { CallDeps } from './calls';
import { failureOf, myPeer, openingFor } from './sessions';

type Given = Pick<
  MediaLinkOptions,
  'feature' | 'roomId' | 'sessionId' | 'remote' | 'first' | 'sends' | 'receives'
> &
  Pick<MediaLinkOptions, 'onOpen' | 'onState' | 'onFrame' | 'onStats' | 'onEnd'>;

/** Certificate first, so that its fingerprint is in the capability; then the connection, which is not begun yet. */
async function openLink({ api, socket, verify }: CallDeps, given: Given): Promise<MediaLink> {
  const { feature, roomId: room_id, sessionId: session_id, remote: target } = given;
  const self = myPeer(socket);
  const request = { room_id, peer_id: self, caps: [feature], target_peer_id: target, session_id };
  const opening = await openingFor(api, request);
  const fingerprint = opening.identity.fingerprint;
  const party = { room_id, target, session_id, feature };
  let link: MediaLink | undefined;
  const refused = (error: Error) => {
    if (!link?.isOpen) link?.bye(failureOf(error).code, failureOf(error).detail);
  };
  link = new MediaLink({
    ...given,
    self,
    identity: opening.identity,
    iceServers: opening.ice,
    freshServers: async () => (await api.ice()).ice_servers,
    verify,
    capability: async (fresh) =>
      fresh ? (await api.capability({ ...request, fingerprint })).cap_token : opening.token(),
    signal: {
      offer: (sdp, cap_token) => socket.relay('rtc.offer', { ...party, cap_token, sdp }, refused),
      answer: (sdp, cap_token) => socket.relay('rtc.answer', { ...party, cap_token, sdp }, refused),
      candidate: (candidate, cap_token) => void socket.send('rtc.ice', { ...party, cap_token, candidate }),
    },
  });
  return link;
}

/** Links of one session by the peer at the other end, from the moment on at which somebody wants one. */
export class Links {
  private readonly links = new Map<string, MediaLink | 'opening'>();
  /** What came for a link that is still being opened, in its order; no more than an orderly peer sends. */
  private readonly early = new Map<string, ((link: MediaLink) => void)[]>();

  constructor(private readonly deps: CallDeps) {}

  has(peer: string): boolean {
    return this.links.has(peer);
  }

  get size(): number {
    return this.links.size;
  }

  open(peer: string, given: Omit<Given, 'remote'>, ready: (link: MediaLink) => void): void {
    if (this.links.has(peer)) return;
    this.links.set(peer, 'opening');
    const ended: Given['onEnd'] = (end) => {
      this.links.delete(peer);
      this.early.delete(peer);
      given.onEnd(end);
    };
    openLink(this.deps, { ...given, remote: peer, onEnd: ended }).then(
      (link) => {
        if (this.links.get(peer) !== 'opening') {
          link.bye('DONE');
          return;
        }
        this.links.set(peer, link);
        ready(link);
        link.start();
        for (const run of this.early.get(peer) ?? []) run(link);
        this.early.delete(peer);
      },
      (error) => {
        if (this.links.get(peer) === 'opening') ended({ ...failureOf(error), remote: false });
      },
    );
  }

  /** Runs it with the link to that peer, once there is one. */
  private with(peer: string, run: (link: MediaLink) => void): void {
    const link = this.links.get(peer);
    if (link instanceof MediaLink) run(link);
    else if (link === 'opening') {
      const waiting = this.early.get(peer) ?? [];
      if (waiting.length < 128) this.early.set(peer, [...waiting, run]);
    }
  }

  /** Descriptions and candidates go to the link with whom they come from. */
  signal(event: EventOf<'rtc.offer' | 'rtc.answer' | 'rtc.ice'>): void {
    this.with(event.from, (link) => {
      if (event.type === 'rtc.offer') link.takeOffer(event.payload.sdp, event.payload.cap_token);
      else if (event.type === 'rtc.answer') link.takeAnswer(event.payload.sdp, event.payload.cap_token);
      else link.takeCandidate(event.payload.candidate);
    });
  }

  /** The levels of everybody's voice in this moment. */
  levels(): [peer: string, level: number][] {
    return [...this.links].flatMap(([peer, link]) =>
      link instanceof MediaLink ? [[peer, link.level()]] : [],
    );
  }

  each(run: (link: MediaLink, peer: string) => void): void {
    for (const [peer, link] of this.links) if (link instanceof MediaLink) run(link, peer);
  }

  drop(peer: string, code: string): void {
    const link = this.links.get(peer);
    this.links.delete(peer);
    this.early.delete(peer);
    if (link instanceof MediaLink) link.bye(code);
  }

  close(code: string): void {
    for (const peer of [...this.links.keys()]) this.drop(peer, code);
  }
}

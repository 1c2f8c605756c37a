// One connection of a call or a shared screen with one other peer: both ends prove what they may before anything is shown,
// again and again while it lasts, and either may negotiate at any time (perfect negotiation, W3C webrtc-pc 10.7).
//
// A media session is a lease of 60 s like a terminal: each end proves itself anew every 30 s on the channel, and who does
// not is cut (docs/protocol.md, section 4).

import { DecodeError } from '../../protocol/decode';
import { decodeFrame, encodeFrame, type Frame } from '../../protocol/frames';
import type { IceCandidate } from '../../protocol/generated/IceCandidate';
import { CAPABILITY } from '../../protocol/signal';
import { CapabilityRefused, type Verify } from '../capability';
import { fingerprintOf, type Identity, plainCandidate } from '../rtc';
import { type Limits, sendLimits } from './sharing';
import { type LinkStats, StatsReader } from './stats';

const HELLO_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 30_000;
const LEASE_MS = 60_000;
const RENEW_EVERY_MS = 30_000;
const STATS_EVERY_MS = 2_000;
/** A hiccup of the network often heals by itself; after this long ICE begins anew. */
const RESTART_AFTER_MS = 2_000;
const FAREWELL_MS = 250;
/** The password of a relay is good for ten minutes at most, a call lasts longer. */
const SERVERS_GOOD_MS = 5 * 60_000;
/** Descriptions and candidates that wait for the one before. More than this is no orderly peer. */
const MAX_WAITING = 128;
const KINDS = ['audio', 'video'] as const;

export type Kind = (typeof KINDS)[number];
type LinkState = 'connecting' | 'live' | 'reconnecting';

export interface MediaLinkOptions {
  feature: 'call' | 'screen';
  roomId: string;
  sessionId: string;
  self: string;
  remote: string;
  identity: Identity;
  iceServers: RTCIceServer[];
  /** The same with passwords of this moment. */
  freshServers: () => Promise<RTCIceServer[]>;
  /** Makes the first offer; the other end gives way where offers cross. */
  first: boolean;
  /** Whether this end sends media at all: who watches a screen does not. */
  sends: boolean;
  /** Whether it takes any: who shows a screen does not. */
  receives: boolean;
  /** A token towards the remote peer; a new one where `fresh`. */
  capability: (fresh: boolean) => Promise<string>;
  verify: Verify;
  signal: {
    offer: (sdp: string, capToken: string) => void;
    answer: (sdp: string, capToken: string) => void;
    candidate: (candidate: IceCandidate | null, capToken: string) => void;
  };
  /** Both ends have proved themselves: from here on the media may be shown. */
  onOpen: (media: MediaStream) => void;
  onState: (state: LinkState) => void;
  onFrame: (frame: Frame) => void;
  onStats: (stats: LinkStats) => void;
  /** Called once, whoever ended it. */
  onEnd: (end: { code: string; detail: string; remote: boolean }) => void;
}

export class MediaLink {
  private readonly pc: RTCPeerConnection;
  private channel: RTCDataChannel | undefined;
  private state: 'new' | 'open' | 'ended' = 'new';
  private helloSent = false;
  private verified = false;
  private makingOffer = false;
  private ignoredOffer = false;
  private token = '';
  private remoteFingerprint = '';
  private readonly media = new MediaStream();
  private readonly senders: Partial<Record<Kind, RTCRtpSender>> = {};
  private readonly wanted: Partial<Record<Kind, MediaStreamTrack | null>> = {};
  private limits: Limits | undefined;
  private outgoing: (IceCandidate | null)[] = [];
  private unsent: RTCSessionDescription | undefined;
  private serversSince = performance.now();
  private chain: Promise<void> = Promise.resolve();
  private waiting = 0;
  private lease: number | undefined;
  private restart: number | undefined;
  private lost: number | undefined;
  private readonly timers = new Set<number>();
  private readonly reader = new StatsReader();

  constructor(private readonly options: MediaLinkOptions) {
    this.pc = new RTCPeerConnection(this.configuration(options.iceServers));
    this.pc.onicecandidate = ({ candidate }) => {
      this.outgoing.push(candidate ? plainCandidate(candidate) : null);
      this.flushCandidates();
    };
    this.pc.onnegotiationneeded = () => void this.guard(() => this.offer());
    this.pc.onconnectionstatechange = () => this.connectionChanged();
    this.pc.ondatachannel = ({ channel }) => {
      if (this.channel || channel.label !== options.feature || channel.protocol !== this.protocol)
        this.bye('PROTOCOL', 'An unexpected channel was opened.');
      else this.attach(channel);
    };
    this.pc.ontrack = ({ track }) => {
      if (options.receives && !this.media.getTracks().some((one) => one.kind === track.kind))
        this.media.addTrack(track);
    };
    this.after(CONNECT_TIMEOUT_MS, () => {
      if (this.state === 'new') this.end('CONNECTION', 'No direct connection could be made.');
    });
  }

  /** The first offer, where this end makes it. What it sends is known by then (`setTrack`). */
  start(): void {
    if (!this.options.first || this.state === 'ended') return;
    const { sends, receives, feature } = this.options;
    const direction = sends && receives ? 'sendrecv' : sends ? 'sendonly' : 'recvonly';
    for (const kind of KINDS) {
      const track = this.wanted[kind];
      const transceiver = this.pc.addTransceiver(track ?? kind, { direction });
      if (sends) this.senders[kind] = transceiver.sender;
    }
    this.attach(this.pc.createDataChannel(feature, { protocol: this.protocol }));
  }

  takeOffer(sdp: string, capToken: string): void {
    this.queue(async () => {
      await this.judge(sdp, capToken);
      const collision = this.makingOffer || this.pc.signalingState !== 'stable';
      this.ignoredOffer = this.options.first && collision;
      if (this.ignoredOffer) return;
      // The other end begins ICE anew, and so does this one.
      if (this.pc.remoteDescription) await this.renewServers();
      await this.pc.setRemoteDescription({ type: 'offer', sdp });
      await this.takeSenders();
      this.token = await this.options.capability(false);
      await this.pc.setLocalDescription();
      this.unsent = this.pc.localDescription ?? undefined;
      this.sendDescription();
      await this.applyLimits();
    });
  }

  takeAnswer(sdp: string, capToken: string): void {
    this.queue(async () => {
      await this.judge(sdp, capToken);
      if (this.pc.signalingState !== 'have-local-offer') return;
      await this.pc.setRemoteDescription({ type: 'answer', sdp });
      await this.applyLimits();
    });
  }

  takeCandidate(candidate: RTCIceCandidateInit | undefined): void {
    this.queue(async () => {
      if (!this.pc.remoteDescription) return;
      // A candidate that this browser cannot use, or of an offer that gave way, is no reason to give up.
      await this.pc.addIceCandidate(candidate).catch((error) => {
        if (!this.ignoredOffer) console.debug('candidate ignored', error);
      });
    });
  }

  /** What is sent from now on: a track, or nothing. Takes no negotiation. */
  async setTrack(kind: Kind, track: MediaStreamTrack | null): Promise<void> {
    this.wanted[kind] = track;
    await this.senders[kind]
      ?.replaceTrack(track)
      .catch((error) => console.debug('track not replaced', error));
  }

  setLimits(limits: Limits): void {
    this.limits = limits;
    void this.applyLimits();
  }

  send(frame: Frame): void {
    if (this.state === 'open' && this.channel?.readyState === 'open') this.channel.send(encodeFrame(frame));
  }

  /** Proves anew, with a token of this moment: what was taken back shows at once. */
  async prove(fresh: boolean): Promise<void> {
    const cap_token = await this.options.capability(fresh);
    this.send({ type: 'RENEW', cap_token });
  }

  /** The network or the server is another one, or there again. */
  refresh(): void {
    if (this.state === 'ended') return;
    if (this.unsent) this.sendDescription();
    else if (this.pc.connectionState !== 'connected') void this.restartIce();
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** How loud the other end is in this moment, 0 to 1. */
  level(): number {
    const receiver = this.pc.getReceivers().find(({ track }) => track.kind === 'audio');
    return receiver?.getSynchronizationSources()[0]?.audioLevel ?? 0;
  }

  bye(code: string, detail = ''): void {
    if (this.state === 'ended') return;
    if (this.channel?.readyState === 'open') {
      try {
        this.channel.send(encodeFrame({ type: 'BYE', code, detail }));
      } catch {
        // The channel closed under us: there is nobody left to tell.
      }
    }
    this.finish({ code, detail, remote: false }, FAREWELL_MS);
  }

  private get protocol(): string {
    return `mesh.${this.options.feature}.v1`;
  }

  private async offer(): Promise<void> {
    if (this.state === 'ended') return;
    this.token = await this.options.capability(false);
    if (this.pc.signalingState !== 'stable') return;
    try {
      this.makingOffer = true;
      await this.pc.setLocalDescription();
      this.unsent = this.pc.localDescription ?? undefined;
      this.sendDescription();
    } finally {
      this.makingOffer = false;
    }
  }

  /** Away from the server it stays unsent until `refresh`. */
  private sendDescription(): void {
    const description = this.unsent;
    if (!description) return;
    try {
      this.options.signal[description.type === 'offer' ? 'offer' : 'answer'](description.sdp, this.token);
      this.unsent = undefined;
    } catch (error) {
      console.debug('description not sent', error);
      return;
    }
    this.flushCandidates();
  }

  private flushCandidates(): void {
    if (this.unsent || !this.pc.localDescription || this.state === 'ended') return;
    for (const candidate of this.outgoing.splice(0)) {
      try {
        this.options.signal.candidate(candidate, this.token);
      } catch (error) {
        console.debug('candidate not sent', error);
      }
    }
  }

  /** Whoever offers decides the lines; this end sends on them what it has. */
  private async takeSenders(): Promise<void> {
    if (!this.options.sends) return;
    for (const transceiver of this.pc.getTransceivers()) {
      const kind = transceiver.receiver.track.kind as Kind;
      if (this.senders[kind]) continue;
      this.senders[kind] = transceiver.sender;
      transceiver.direction = this.options.receives ? 'sendrecv' : 'sendonly';
      await transceiver.sender.replaceTrack(this.wanted[kind] ?? null);
    }
  }

  private async applyLimits(): Promise<void> {
    const { limits } = this;
    if (!limits || this.state === 'ended') return;
    for (const kind of KINDS) {
      const sender = this.senders[kind];
      if (sender) await sendLimits(sender, kind, limits).catch((error) => console.debug('no limits', error));
    }
  }

  /** Before a description is believed: the token in it is good, and for the certificate that it names. */
  private async judge(sdp: string, capToken: string): Promise<void> {
    const lines = [...sdp.matchAll(/^m=(\w+) /gm)].map(([, kind]) => kind);
    if (
      new Set(lines).size !== lines.length ||
      lines.some((kind) => !/^(audio|video|application)$/.test(kind ?? ''))
    )
      throw new DecodeError('sdp', 'one line of each kind');
    const fingerprint = fingerprintOf(sdp);
    if (this.remoteFingerprint && this.remoteFingerprint !== fingerprint)
      throw new CapabilityRefused('the connection changed its certificate');
    await this.verifyRemote(capToken, fingerprint);
    this.remoteFingerprint = fingerprint;
  }

  private verifyRemote(capToken: string, fingerprint: string) {
    const { roomId, sessionId, remote, self, feature, verify } = this.options;
    return verify(capToken, {
      roomId,
      sessionId,
      bearer: remote,
      target: self,
      capability: CAPABILITY[feature],
      fingerprint,
    });
  }

  /** Who opened the channel, which is `first`, says HELLO at once; the other end when it was spoken to, as in `PeerLink`. */
  private attach(channel: RTCDataChannel): void {
    this.channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => this.queue(() => this.receive(data));
    channel.onclose = () => this.end('CONNECTION', 'The other side closed the connection.');
    let seen = false;
    const opened = () => {
      if (seen) return;
      seen = true;
      this.after(HELLO_TIMEOUT_MS, () => {
        if (this.state === 'new') this.bye('HELLO_TIMEOUT', 'The other side did not identify itself.');
      });
      if (this.options.first) void this.guard(() => this.sayHello());
    };
    channel.onopen = opened;
    if (channel.readyState === 'open') opened();
  }

  private async sayHello(): Promise<void> {
    this.helloSent = true;
    const cap_token = await this.options.capability(false);
    if (this.channel?.readyState !== 'open') return;
    this.channel.send(
      encodeFrame({ type: 'HELLO', protocol: 1, session_id: this.options.sessionId, cap_token }),
    );
    this.openIfReady();
  }

  private async receive(data: unknown): Promise<void> {
    if (!(data instanceof ArrayBuffer)) throw new DecodeError('frame', 'binary');
    const frame = decodeFrame(data);
    if (frame.type === 'BYE') {
      this.finish({ code: frame.code, detail: frame.detail, remote: true }, 0);
    } else if (!this.verified) {
      if (frame.type !== 'HELLO') throw new DecodeError('first frame', 'HELLO');
      if (frame.session_id !== this.options.sessionId)
        throw new CapabilityRefused('it is for another session');
      if (!this.options.first) await this.sayHello();
      await this.verifyRemote(frame.cap_token, this.remoteFingerprint);
      this.verified = true;
      this.renewLease();
      this.openIfReady();
    } else if (frame.type === 'RENEW') {
      await this.verifyRemote(frame.cap_token, this.remoteFingerprint);
      this.renewLease();
    } else {
      this.options.onFrame(frame);
    }
  }

  private renewLease(): void {
    window.clearTimeout(this.lease);
    this.lease = this.after(LEASE_MS, () => this.bye('LEASE_LAPSED'));
  }

  private openIfReady(): void {
    if (!this.verified || !this.helloSent || this.state !== 'new') return;
    this.state = 'open';
    this.options.onOpen(this.media);
    this.options.onState('live');
    void this.watch();
    void this.keepProving();
  }

  private async keepProving(): Promise<void> {
    while (this.isOpen) {
      await this.pause(RENEW_EVERY_MS);
      // The other end cuts the lease when it lapses; until then the next round tries again.
      if (this.isOpen) await this.prove(false).catch((error) => console.debug('lease not renewed', error));
    }
  }

  private async watch(): Promise<void> {
    while (this.isOpen) {
      const stats = await this.reader.read(this.pc).catch(() => undefined);
      if (stats && this.isOpen) this.options.onStats(stats);
      await this.pause(STATS_EVERY_MS);
    }
  }

  private connectionChanged(): void {
    const now = this.pc.connectionState;
    if (this.state === 'ended') return;
    if (now === 'connected') {
      this.clear('restart');
      this.clear('lost');
      if (this.isOpen) this.options.onState('live');
    } else if (now === 'disconnected' || now === 'failed') {
      this.options.onState('reconnecting');
      this.clear('restart');
      this.restart = this.after(now === 'failed' ? 0 : RESTART_AFTER_MS, () => void this.restartIce());
      this.lost ??= this.after(CONNECT_TIMEOUT_MS, () =>
        this.end('CONNECTION', 'The direct connection was lost.'),
      );
    }
  }

  private async restartIce(): Promise<void> {
    await this.renewServers();
    if (this.state !== 'ended' && this.pc.signalingState === 'stable') this.pc.restartIce();
  }

  /** Without, a relay would refuse what is gathered from here on. Where the server is away, the old ones may still do. */
  private async renewServers(): Promise<void> {
    if (performance.now() - this.serversSince < SERVERS_GOOD_MS) return;
    try {
      const servers = await this.options.freshServers();
      if (this.state === 'ended') return;
      this.pc.setConfiguration(this.configuration(servers));
      this.serversSince = performance.now();
    } catch (error) {
      console.debug('servers not renewed', error);
    }
  }

  private configuration(iceServers: RTCIceServer[]): RTCConfiguration {
    return {
      iceServers,
      certificates: [this.options.identity.certificate],
      bundlePolicy: 'max-bundle',
    };
  }

  private clear(which: 'restart' | 'lost'): void {
    window.clearTimeout(this[which]);
    this[which] = undefined;
  }

  private end(code: string, detail: string): void {
    this.finish({ code, detail, remote: false }, 0);
  }

  private finish(end: { code: string; detail: string; remote: boolean }, lingerMs: number): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    // Nothing is sent or played from here on, also while the farewell leaves.
    for (const sender of Object.values(this.senders)) void sender.replaceTrack(null).catch(() => {});
    for (const { receiver } of this.pc.getTransceivers()) receiver.track.stop();
    if (lingerMs > 0) setTimeout(() => this.pc.close(), lingerMs);
    else this.pc.close();
    this.options.onEnd(end);
  }

  /** One after the other, as they came: what arrives while a token is verified waits for it. */
  private queue(step: () => Promise<void>): void {
    if (this.state === 'ended') return;
    if (this.waiting >= MAX_WAITING) {
      this.bye('PROTOCOL', 'Too much arrived at once.');
      return;
    }
    this.waiting++;
    this.chain = this.chain.then(() => this.guard(step)).finally(() => this.waiting--);
  }

  private async guard(step: () => Promise<void>): Promise<void> {
    if (this.state === 'ended') return;
    try {
      await step();
    } catch (error) {
      console.debug('link failed', error);
      const detail = error instanceof Error ? error.message : String(error);
      if (error instanceof CapabilityRefused) this.bye('CAP_REFUSED', detail);
      else if (error instanceof DecodeError) this.bye('PROTOCOL', detail);
      else this.end('CONNECTION', detail);
    }
  }

  private after(ms: number, run: () => void): number {
    const timer = window.setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, ms);
    this.timers.add(timer);
    return timer;
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }
}

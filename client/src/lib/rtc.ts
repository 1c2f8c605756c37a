// One direct connection for one session: certificate first, signalling, the HELLO exchange with verification of the
// other end's capability, then frames. Nothing is handed on before both ends have proved what they may.

import { DecodeError } from '../protocol/decode';
import { decodeFrame, encodeFrame, type Frame } from '../protocol/frames';
import type { IceCandidate } from '../protocol/generated/IceCandidate';
import { CAPABILITY, type Feature } from '../protocol/signal';
import { CapabilityRefused, type Verify } from './capability';
import { type PathInfo, readPath } from './path';
import { type Carrier, ServerChannel } from './serverChannel';

const HELLO_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 30_000;
/** After this a session that may go through the server does. */
const DIRECT_WITHIN_MS = 10_000;
/** A hiccup of the network often heals by itself; after this long another path is looked for, and again. */
const RESTART_AFTER_MS = 1_000;
const RESTART_EVERY_MS = 5_000;
/** From the disturbance to the end, where no other path is found. */
const RECOVER_WITHIN_MS = 15_000;
/** Frames that arrive while the other end's HELLO is still being verified. More than this is no orderly peer. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;
/** Above the high mark `writable` waits until the browser's queue has fallen to the low mark. */
const BUFFER_HIGH_BYTES = 4 * 1024 * 1024;
const BUFFER_LOW_BYTES = 1024 * 1024;
const STATS_EVERY_MS = 1_000;
/** A BYE needs a moment to leave before the connection goes. */
const FAREWELL_MS = 250;

export interface Identity {
  certificate: RTCCertificate;
  fingerprint: string;
}

/** A fresh DTLS certificate and its fingerprint, known before any capability is asked for. */
export async function createIdentity(): Promise<Identity> {
  const certificate = await RTCPeerConnection.generateCertificate({
    name: 'ECDSA',
    namedCurve: 'P-256',
  } as EcKeyGenParams);
  const known = certificate.getFingerprints?.().find((one) => one.algorithm === 'sha-256');
  if (known?.value) return { certificate, fingerprint: `sha-256 ${known.value.toUpperCase()}` };
  // Not every browser tells the fingerprint of a certificate; an offer that is thrown away does.
  const probe = new RTCPeerConnection({ certificates: [certificate] });
  try {
    probe.createDataChannel('probe');
    const offer = await probe.createOffer();
    return { certificate, fingerprint: fingerprintOf(offer.sdp ?? '') };
  } finally {
    probe.close();
  }
}

/** The one fingerprint of a description. Several different ones would let two certificates pass for one. */
export function fingerprintOf(sdp: string): string {
  const found = new Set<string>();
  for (const match of sdp.matchAll(/^a=fingerprint:(\S+) (\S+)\s*$/gm))
    found.add(`${match[1]?.toLowerCase()} ${match[2]?.toUpperCase()}`);
  if (found.size !== 1) throw new CapabilityRefused('the connection names no single certificate');
  return [...found][0] as string;
}

export interface LinkOptions {
  feature: Feature;
  roomId: string;
  sessionId: string;
  self: string;
  remote: string;
  identity: Identity;
  iceServers: RTCIceServer[];
  /** For another path: what gives access to a relay lasts minutes. Empty where the server does not say. */
  freshIceServers: () => Promise<RTCIceServer[]>;
  /** A token towards the remote peer that is good for at least some seconds more. */
  capability: () => Promise<string>;
  verify: Verify;
  signal: {
    offer: (sdp: string, capToken: string) => void;
    answer: (sdp: string, capToken: string) => void;
    candidate: (candidate: IceCandidate | null, capToken: string) => void;
    /** Sends a piece of the frames through the server, where that is offered. */
    data?: ((seq: number, data: string) => void) | undefined;
  };
  onOpen: () => void;
  onFrame: (frame: Frame) => void;
  onPath?: (path: PathInfo) => void;
  /** Called once, whoever ended it. `code` is one of the protocol's, or `CONNECTION` when the link was lost. */
  onEnd: (end: { code: string; detail: string; remote: boolean }) => void;
}

export class PeerLink {
  private readonly pc: RTCPeerConnection;
  private channel: Carrier | undefined;
  private server: ServerChannel | undefined;
  private state: 'new' | 'hello' | 'open' | 'ended' = 'new';
  private opener = false;
  private helloSent = false;
  private helloSeen = false;
  private verified = false;
  private held: Frame[] = [];
  private heldBytes = 0;
  private token = '';
  private remoteFingerprint = '';
  private localSent = false;
  /** The description that the next candidates belong to is still being judged. */
  private judging = false;
  private restart: number | undefined;
  private lost: number | undefined;
  private readonly outgoing: (IceCandidate | null)[] = [];
  private readonly incoming: RTCIceCandidateInit[] = [];
  private readonly timers = new Set<number>();
  private drained: (() => void)[] = [];

  constructor(private readonly options: LinkOptions) {
    this.pc = new RTCPeerConnection({
      iceServers: options.iceServers,
      certificates: [options.identity.certificate],
    });
    this.pc.onicecandidate = ({ candidate }) =>
      this.localCandidate(candidate ? plainCandidate(candidate) : null);
    this.pc.onconnectionstatechange = () => this.connectionChanged();
    this.pc.ondatachannel = ({ channel }) => {
      // Exactly one channel, opened by the requester: anything else is not this protocol.
      if (
        this.channel ||
        channel.label !== options.feature ||
        channel.protocol !== protocolOf(options.feature)
      ) {
        this.bye('PROTOCOL', 'An unexpected channel was opened.');
        return;
      }
      this.attach(channel);
    };
    this.after(CONNECT_TIMEOUT_MS, () => {
      if (this.state === 'new') this.end('CONNECTION', 'No direct connection could be made.');
    });
  }

  /** The requester's part: opens the channel and sends the offer. */
  async offer(): Promise<void> {
    this.opener = true;
    await this.guard(async () => {
      this.attach(
        this.pc.createDataChannel(this.options.feature, { protocol: protocolOf(this.options.feature) }),
      );
      this.token = await this.options.capability();
      await this.pc.setLocalDescription(await this.pc.createOffer());
      this.options.signal.offer(this.pc.localDescription?.sdp ?? '', this.token);
      this.flushCandidates();
    });
  }

  async takeAnswer(sdp: string, capToken: string): Promise<void> {
    if (this.state === 'open') return this.takePath({ type: 'answer', sdp }, capToken);
    await this.guard(async () => {
      await this.takeRemote(sdp, capToken);
      await this.pc.setRemoteDescription({ type: 'answer', sdp });
      this.after(DIRECT_WITHIN_MS, () => this.throughServer());
      await this.addQueued();
    });
  }

  /** A piece of the other end's frames, which come through the server. */
  async takeData(seq: number, data: string): Promise<void> {
    await this.guard(async () => this.server?.take(seq, data));
  }

  /** The requester's choice when no direct connection came about; whether it could be made. */
  private throughServer(): boolean {
    const { data } = this.options.signal;
    if (this.state !== 'new' || !data || this.remoteFingerprint === '') return false;
    if (this.channel) this.channel.onclose = null;
    this.pc.close();
    this.server = new ServerChannel(data);
    this.attach(this.server);
    return true;
  }

  /** The answerer's part. */
  async takeOffer(sdp: string, capToken: string): Promise<void> {
    if (this.state === 'open') return this.takePath({ type: 'offer', sdp }, capToken);
    await this.guard(async () => {
      await this.takeRemote(sdp, capToken);
      await this.pc.setRemoteDescription({ type: 'offer', sdp });
      this.token = await this.options.capability();
      await this.pc.setLocalDescription(await this.pc.createAnswer());
      this.options.signal.answer(this.pc.localDescription?.sdp ?? '', this.token);
      this.flushCandidates();
      await this.addQueued();
    });
  }

  async takeCandidate(candidate: RTCIceCandidateInit | undefined): Promise<void> {
    if (!candidate || this.state === 'ended') return;
    if (!this.pc.remoteDescription || this.judging) {
      if (this.incoming.length < 64) this.incoming.push(candidate);
      return;
    }
    // A candidate that this browser cannot use is no reason to give up: another may do.
    await this.pc.addIceCandidate(candidate).catch((error) => console.debug('candidate ignored', error));
  }

  private connectionChanged(): void {
    const now = this.pc.connectionState;
    if (now === 'connected') {
      this.clear('restart');
      this.clear('lost');
    } else if (this.state === 'open' && (now === 'disconnected' || now === 'failed')) {
      this.lost ??= this.after(RECOVER_WITHIN_MS, () =>
        this.end('CONNECTION', 'The direct connection was lost.'),
      );
      // Who made the first offer makes the next ones.
      if (this.opener) this.restart ??= this.after(RESTART_AFTER_MS, () => void this.offerPath());
    } else if (now === 'failed' && !this.throughServer()) {
      this.end('CONNECTION', 'The direct connection was lost.');
    }
  }

  /** Offers another path: the one that there was died. What is on its way is kept. */
  private async offerPath(): Promise<void> {
    this.restart = this.after(RESTART_EVERY_MS, () => void this.offerPath());
    try {
      const iceServers = await this.options.freshIceServers();
      const token = await this.options.capability();
      if (!this.isOpen || this.pc.connectionState === 'connected') return;
      this.newPath(iceServers, token);
      await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart: true }));
      this.options.signal.offer(this.pc.localDescription?.sdp ?? '', this.token);
      this.flushCandidates();
    } catch (error) {
      console.debug('no other path now', error);
    }
  }

  /** Takes the other end's description of another path. One that does not hold leaves the session as it is. */
  private async takePath(
    description: { type: 'offer' | 'answer'; sdp: string },
    capToken: string,
  ): Promise<void> {
    const offered = description.type === 'offer';
    if (this.server || offered === this.opener) return;
    this.judging = true;
    try {
      if (fingerprintOf(description.sdp) !== this.remoteFingerprint)
        throw new CapabilityRefused('another certificate for an open connection');
      await this.verifyRemote(capToken);
      if (!offered && this.pc.signalingState !== 'have-local-offer') return;
      const prepared = offered
        ? await Promise.all([this.options.freshIceServers(), this.options.capability()])
        : undefined;
      if (!this.isOpen) return;
      if (prepared) this.newPath(...prepared);
      await this.pc.setRemoteDescription(description);
      if (prepared) {
        await this.pc.setLocalDescription(await this.pc.createAnswer());
        this.options.signal.answer(this.pc.localDescription?.sdp ?? '', this.token);
        this.flushCandidates();
      }
    } catch (error) {
      console.debug('another path was not taken', error);
    } finally {
      this.judging = false;
      await this.addQueued();
    }
  }

  /** Candidates wait for the description that they belong to. */
  private newPath(iceServers: RTCIceServer[], token: string): void {
    if (iceServers.length > 0) this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
    this.token = token;
    this.localSent = false;
    this.outgoing.length = 0;
  }

  private clear(which: 'restart' | 'lost'): void {
    window.clearTimeout(this[which]);
    this[which] = undefined;
  }

  /** Queues a frame. Callers that send in bulk await `writable` first. */
  send(frame: Frame): void {
    if (this.state !== 'open' || this.channel?.readyState !== 'open') return;
    this.channel.send(encodeFrame(frame));
  }

  /** Resolves at once while the browser's queue is short, else when it has drained; also when the link ends. */
  writable(): Promise<void> {
    if (!this.channel || this.state === 'ended' || this.channel.bufferedAmount < BUFFER_HIGH_BYTES)
      return Promise.resolve();
    return new Promise((resolve) => this.drained.push(resolve));
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Ends in order: says why, then closes. */
  bye(code: string, detail = ''): void {
    if (this.state === 'ended') return;
    const channel = this.channel;
    if (channel?.readyState === 'open') {
      try {
        channel.send(encodeFrame({ type: 'BYE', code, detail }));
      } catch {
        // The channel closed under us: there is nobody left to tell.
      }
    }
    this.finish({ code, detail, remote: false }, FAREWELL_MS);
  }

  private end(code: string, detail: string): void {
    this.finish({ code, detail, remote: false }, 0);
  }

  private finish(end: { code: string; detail: string; remote: boolean }, lingerMs: number): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    this.held = [];
    for (const resolve of this.drained.splice(0)) resolve();
    this.server?.close();
    if (lingerMs > 0) setTimeout(() => this.pc.close(), lingerMs);
    else this.pc.close();
    this.options.onEnd(end);
  }

  private async guard(step: () => Promise<void>): Promise<void> {
    if (this.state === 'ended') return;
    try {
      await step();
    } catch (error) {
      console.debug('link failed', error);
      if (error instanceof CapabilityRefused) this.bye('CAP_REFUSED', error.message);
      else if (error instanceof DecodeError) this.bye('PROTOCOL', error.message);
      else this.end('CONNECTION', error instanceof Error ? error.message : String(error));
    }
  }

  private async takeRemote(sdp: string, capToken: string): Promise<void> {
    this.remoteFingerprint = fingerprintOf(sdp);
    await this.verifyRemote(capToken);
  }

  private verifyRemote(capToken: string) {
    const { roomId, sessionId, remote, self, feature, verify } = this.options;
    return verify(capToken, {
      roomId,
      sessionId,
      bearer: remote,
      target: self,
      capability: CAPABILITY[feature],
      fingerprint: this.remoteFingerprint,
    });
  }

  /**
   * Who opened the channel says HELLO at once, the other end when it was spoken to: Chromium loses now and then what
   * arrives while it tells the opener that the channel is open.
   */
  private attach(channel: Carrier): void {
    this.channel = channel;
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = BUFFER_LOW_BYTES;
    channel.onbufferedamountlow = () => {
      for (const resolve of this.drained.splice(0)) resolve();
    };
    channel.onmessage = ({ data }) => this.receive(data);
    channel.onclose = () => this.end('CONNECTION', 'The other side closed the connection.');
    const opened = () => {
      if (this.state !== 'new') return;
      this.state = 'hello';
      this.after(HELLO_TIMEOUT_MS, () => {
        if (this.state === 'hello') this.bye('HELLO_TIMEOUT', 'The other side did not identify itself.');
      });
      if (this.opener) void this.guard(() => this.sayHello());
    };
    channel.onopen = opened;
    if (channel.readyState === 'open') opened();
  }

  private async sayHello(): Promise<void> {
    const cap_token = await this.options.capability();
    if (this.channel?.readyState !== 'open') return;
    this.channel.send(
      encodeFrame({ type: 'HELLO', protocol: 1, session_id: this.options.sessionId, cap_token }),
    );
    this.helloSent = true;
    this.openIfReady();
  }

  private receive(data: unknown): void {
    if (this.state === 'ended') return;
    let frame: Frame;
    try {
      if (!(data instanceof ArrayBuffer)) throw new DecodeError('frame', 'binary');
      frame = decodeFrame(data);
    } catch (error) {
      this.bye('PROTOCOL', error instanceof Error ? error.message : '');
      return;
    }
    if (frame.type === 'BYE') {
      this.finish({ code: frame.code, detail: frame.detail, remote: true }, 0);
    } else if (!this.helloSeen) {
      this.helloSeen = true;
      if (frame.type !== 'HELLO') this.bye('PROTOCOL', 'The first frame was not HELLO.');
      else void this.guard(() => this.takeHello(frame));
    } else if (this.state === 'open') {
      this.options.onFrame(frame);
    } else {
      this.heldBytes += (data as ArrayBuffer).byteLength;
      if (this.heldBytes > MAX_HELD_BYTES)
        this.bye('PROTOCOL', 'Too much arrived before HELLO was answered.');
      else this.held.push(frame);
    }
  }

  private async takeHello(frame: Extract<Frame, { type: 'HELLO' }>): Promise<void> {
    if (frame.session_id !== this.options.sessionId) throw new CapabilityRefused('it is for another session');
    if (!this.opener) await this.sayHello();
    await this.verifyRemote(frame.cap_token);
    this.verified = true;
    this.openIfReady();
  }

  private openIfReady(): void {
    if (!this.verified || !this.helloSent || this.state !== 'hello') return;
    this.state = 'open';
    this.options.onOpen();
    for (const frame of this.held.splice(0)) if (this.isOpen) this.options.onFrame(frame);
    void this.watchPath();
  }

  private async watchPath(): Promise<void> {
    while (this.isOpen) {
      const path: PathInfo | undefined = this.server
        ? { kind: 'server' }
        : await readPath(this.pc).catch(() => undefined);
      if (path && this.isOpen) this.options.onPath?.(path);
      await new Promise<void>((resolve) => this.after(STATS_EVERY_MS, resolve));
    }
  }

  private localCandidate(candidate: IceCandidate | null): void {
    if (this.state === 'ended') return;
    this.outgoing.push(candidate);
    if (this.localSent) this.flushCandidates();
  }

  private flushCandidates(): void {
    this.localSent = true;
    for (const candidate of this.outgoing.splice(0)) {
      try {
        this.options.signal.candidate(candidate, this.token);
      } catch (error) {
        // Away from the server for a moment: the connection may still come up with what was sent.
        console.debug('candidate not sent', error);
      }
    }
  }

  private async addQueued(): Promise<void> {
    for (const candidate of this.incoming.splice(0)) await this.takeCandidate(candidate);
  }

  private after(ms: number, run: () => void): number {
    const timer = window.setTimeout(() => {
      this.timers.delete(timer);
      run();
    }, ms);
    this.timers.add(timer);
    return timer;
  }
}

/** Without the members that are null, as the wire has them. */
export function plainCandidate({
  candidate,
  sdpMid,
  sdpMLineIndex,
  usernameFragment,
}: RTCIceCandidate): IceCandidate {
  return {
    candidate,
    ...(sdpMid === null ? {} : { sdpMid }),
    ...(sdpMLineIndex === null ? {} : { sdpMLineIndex }),
    ...(usernameFragment ? { usernameFragment } : {}),
  };
}

function protocolOf(feature: Feature): string {
  return `mesh.${feature}.v1`;
}

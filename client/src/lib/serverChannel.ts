// A terminal's frames through the server, in place of a DataChannel, where the server offers that and no direct connection came
// about. The frames of one direction are a stream, each after its length, cut into pieces that are numbered (docs/protocol.md).

import { DecodeError } from '../protocol/decode';

/** The most bytes of frames in one piece, and pieces in a second: the rest of the socket's rate is for everything else. */
const PIECE_BYTES = 45_000;
const EACH_MS = 1_000 / 20;
const MAX_FRAME_BYTES = 65_600;
const LENGTH_BYTES = 4;

/** What a PeerLink needs of an RTCDataChannel. */
export type Carrier = Pick<
  RTCDataChannel,
  | 'readyState'
  | 'bufferedAmount'
  | 'bufferedAmountLowThreshold'
  | 'binaryType'
  | 'onopen'
  | 'onmessage'
  | 'onclose'
  | 'onbufferedamountlow'
> & { send(frame: Uint8Array<ArrayBuffer>): void };

/** When the next piece of any session may go: all share one socket. */
let nextTurn = 0;

export class ServerChannel implements Carrier {
  readyState: RTCDataChannelState = 'open';
  binaryType: BinaryType = 'arraybuffer';
  bufferedAmountLowThreshold = 0;
  onopen: RTCDataChannel['onopen'] = null;
  onmessage: RTCDataChannel['onmessage'] = null;
  onclose: RTCDataChannel['onclose'] = null;
  onbufferedamountlow: RTCDataChannel['onbufferedamountlow'] = null;
  private outgoing = new Uint8Array();
  private incoming = new Uint8Array();
  private sent = 0;
  private taken = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `post` sends a piece; it throws while there is no connection to the server, which ends this channel. */
  constructor(private readonly post: (seq: number, data: string) => void) {}

  get bufferedAmount(): number {
    return this.outgoing.length;
  }

  send(frame: Uint8Array<ArrayBuffer>): void {
    if (this.readyState !== 'open') return;
    const length = new Uint8Array(LENGTH_BYTES);
    new DataView(length.buffer).setUint32(0, frame.length);
    this.outgoing = joined(this.outgoing, length, frame);
    this.schedule();
  }

  /** Takes a piece of the other end. One that is missing ends the channel: what follows could not be read. */
  take(seq: number, data: string): void {
    if (this.readyState !== 'open') return;
    if (seq !== this.taken || data === '') {
      this.end();
      return;
    }
    this.taken++;
    this.incoming = joined(this.incoming, bytesOf(data));
    for (let frame = this.frame(); frame && this.readyState === 'open'; frame = this.frame())
      this.onmessage?.call(this as never, new MessageEvent('message', { data: frame.buffer }));
  }

  /** Sends what waits, says that this was all, and ends. */
  close(): void {
    if (this.readyState !== 'open') return;
    while (this.outgoing.length > 0 && this.flush());
    if (this.readyState === 'open') this.say('');
    this.readyState = 'closed';
    clearTimeout(this.timer);
  }

  private frame(): Uint8Array<ArrayBuffer> | undefined {
    if (this.incoming.length < LENGTH_BYTES) return undefined;
    const length = new DataView(this.incoming.buffer, this.incoming.byteOffset).getUint32(0);
    if (length > MAX_FRAME_BYTES) throw new DecodeError('frame', 'within the limit');
    if (this.incoming.length < LENGTH_BYTES + length) return undefined;
    const frame = this.incoming.slice(LENGTH_BYTES, LENGTH_BYTES + length);
    this.incoming = this.incoming.subarray(LENGTH_BYTES + length);
    return frame;
  }

  private schedule(): void {
    if (this.timer !== undefined) return;
    const now = performance.now();
    nextTurn = Math.max(nextTurn, now);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.flush();
      if (this.outgoing.length > 0) this.schedule();
      else this.onbufferedamountlow?.call(this as never, new Event('bufferedamountlow'));
    }, nextTurn - now);
    nextTurn += EACH_MS;
  }

  private flush(): boolean {
    const piece = this.outgoing.subarray(0, PIECE_BYTES);
    this.outgoing = this.outgoing.slice(piece.length);
    return this.say(btoa(Array.from(piece, (byte) => String.fromCharCode(byte)).join('')));
  }

  private say(data: string): boolean {
    try {
      this.post(this.sent++, data);
      return true;
    } catch (error) {
      console.debug('the way through the server is lost', error);
      this.end();
      return false;
    }
  }

  private end(): void {
    if (this.readyState !== 'open') return;
    this.readyState = 'closed';
    clearTimeout(this.timer);
    this.onclose?.call(this as never, new Event('close'));
  }
}

function bytesOf(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    throw new DecodeError('data', 'base64');
  }
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

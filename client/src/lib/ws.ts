// The page's one WebSocket: ticket, connect, reconnect with growing pauses, resume, and answers matched to what was
// sent. It knows nothing of rooms; `state/` listens to its events.
//
// Outgoing messages are not queued while the connection is away: what must survive (chat) is kept by its owner and sent
// again after `online`, what is only of the moment (typing, signalling) is refused with `NotConnected`.

import { DecodeError } from '../protocol/decode';
import {
  type CommandPayload,
  type CommandType,
  decodeEvent,
  type EventOf,
  type SignalEvent,
} from '../protocol/signal';
import { ApiError } from './api';
import { newId } from './ids';

type ConnectionStatus =
  /** Not started, or stopped on purpose. */
  | 'idle'
  | 'connecting'
  | 'online'
  /** Lost or refused; another try is scheduled. */
  | 'reconnecting'
  /** The session ended: only a new sign-in helps. */
  | 'signed-out';

export interface ConnectionState {
  status: ConnectionStatus;
  peerId: string | undefined;
  /** Tries since the last success. */
  attempt: number;
  /** Whether this server passes terminals on where no direct connection can be made. */
  terminalData?: boolean;
}

export class NotConnected extends Error {
  constructor() {
    super('Not connected to the server right now.');
    this.name = 'NotConnected';
  }
}

export class SignalError extends Error {
  constructor(
    readonly code: string,
    detail: string,
  ) {
    super(detail || code);
    this.name = 'SignalError';
  }
}

interface Timers {
  setTimeout(run: () => void, ms: number): number;
  clearTimeout(id: number): void;
}

export interface SocketOptions {
  ticket: () => Promise<string>;
  open: (path: string) => WebSocket;
  timers?: Timers;
  random?: () => number;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** How long an `error` that names a message is still delivered to its sender. */
const ANSWER_WINDOW_MS = 15_000;
const CLOSE_SIGNED_OUT = 4401;
const CLOSE_TOO_MANY = 4429;
const CLOSE_GOING_AWAY = 1012;

/** Full jitter over a doubling ceiling, so that a thousand pages do not come back in the same instant. */
export function pauseBefore(attempt: number, random: () => number): number {
  const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling / 4 + random() * ceiling * 0.75);
}

type Waiting = { done: (event: EventOf<'ack'>) => void; fail: (error: Error) => void; timer: number };

export class Socket {
  private socket: WebSocket | undefined;
  private state: ConnectionState = { status: 'idle', peerId: undefined, attempt: 0 };
  private resume: string | undefined;
  private received = 0;
  private timer: number | undefined;
  private generation = 0;
  private readonly waiting = new Map<string, Waiting>();
  private readonly events = new Set<(event: SignalEvent) => void>();
  private readonly states = new Set<(state: ConnectionState) => void>();
  private readonly timers: Timers;
  private readonly random: () => number;

  constructor(private readonly options: SocketOptions) {
    this.timers = options.timers ?? {
      setTimeout: (run, ms) => window.setTimeout(run, ms),
      clearTimeout: (id) => window.clearTimeout(id),
    };
    this.random = options.random ?? Math.random;
  }

  get current(): ConnectionState {
    return this.state;
  }

  onEvent(listener: (event: SignalEvent) => void): () => void {
    this.events.add(listener);
    return () => this.events.delete(listener);
  }

  onState(listener: (state: ConnectionState) => void): () => void {
    this.states.add(listener);
    return () => this.states.delete(listener);
  }

  start(): void {
    if (this.state.status === 'idle' || this.state.status === 'signed-out') {
      this.change({ status: 'connecting', attempt: 0 });
      void this.connect();
    }
  }

  stop(): void {
    this.generation++;
    this.clearTimer();
    this.resume = undefined;
    this.received = 0;
    this.failWaiting();
    this.socket?.close(1000);
    this.socket = undefined;
    this.change({ status: 'idle', peerId: undefined, attempt: 0 });
  }

  /** The network came back, or the page became visible: do not sit out a long pause. */
  hurry(): void {
    if (this.state.status !== 'reconnecting' || this.timer === undefined) return;
    this.clearTimer();
    void this.connect();
  }

  /** Sends now or throws `NotConnected`. Returns the message's id, which a later `error` names. */
  send<T extends CommandType>(type: T, payload: CommandPayload<T>): string {
    const id = newId();
    this.transmit(id, type, payload);
    return id;
  }

  /** Sends, and fails if the server refuses it in time. For messages that are acknowledged, resolves with the `ack`. */
  sendForAck<T extends CommandType>(
    type: T,
    payload: CommandPayload<T>,
    timeoutMs = 10_000,
  ): Promise<EventOf<'ack'>> {
    const id = newId();
    return new Promise((done, fail) => {
      const timer = this.timers.setTimeout(() => {
        this.waiting.delete(id);
        fail(new SignalError('TIMEOUT', 'The server did not answer in time.'));
      }, timeoutMs);
      this.waiting.set(id, { done, fail, timer });
      try {
        this.transmit(id, type, payload);
      } catch (error) {
        this.settle(id)?.fail(error as Error);
      }
    });
  }

  /** Sends a relayed message; `refused` is called if the server names it in an `error`. */
  relay<T extends CommandType>(type: T, payload: CommandPayload<T>, refused: (error: Error) => void): void {
    const id = newId();
    const timer = this.timers.setTimeout(() => this.waiting.delete(id), ANSWER_WINDOW_MS);
    this.waiting.set(id, { done: () => {}, fail: refused, timer });
    try {
      this.transmit(id, type, payload);
    } catch (error) {
      this.settle(id);
      throw error;
    }
  }

  private transmit(id: string, type: string, payload: object): void {
    if (this.state.status !== 'online' || this.socket?.readyState !== WebSocket.OPEN)
      throw new NotConnected();
    this.socket.send(JSON.stringify({ type, id, payload }));
  }

  private async connect(): Promise<void> {
    const generation = ++this.generation;
    let ticket: string;
    try {
      ticket = await this.options.ticket();
    } catch (error) {
      if (generation !== this.generation) return;
      if (error instanceof ApiError && error.status === 401) this.signedOut();
      else this.retry();
      return;
    }
    if (generation !== this.generation) return;
    const query = new URLSearchParams({ token: ticket });
    if (this.resume) {
      query.set('resume', this.resume);
      query.set('seq', String(this.received));
    }
    const socket = this.options.open(`/ws?${query}`);
    this.socket = socket;
    socket.onmessage = (message) => {
      if (generation === this.generation && typeof message.data === 'string') this.receive(message.data);
    };
    socket.onclose = (close) => {
      if (generation !== this.generation) return;
      this.socket = undefined;
      if (close.code === CLOSE_SIGNED_OUT) this.signedOut();
      else this.retry(close.code);
    };
  }

  private receive(text: string): void {
    let event: SignalEvent | undefined;
    try {
      event = decodeEvent(text);
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof SyntaxError)) throw error;
      console.debug('ignored a message that does not decode:', error.message);
    }
    if (event?.type === 'system.welcome') {
      // Another peer begins a new row of messages; after a resume it goes on.
      if (event.payload.peer_id !== this.state.peerId) this.received = 0;
      this.resume = event.payload.resume;
      const { peer_id: peerId, terminal_data: terminalData } = event.payload;
      this.change({ status: 'online', peerId, attempt: 0, terminalData });
    } else {
      // What this page does not understand it has received all the same.
      this.received++;
    }
    if (!event) return;
    if (event.type === 'ack') this.settle(event.payload.ref)?.done(event);
    if (event.type === 'error' && event.payload.ref)
      this.settle(event.payload.ref)?.fail(new SignalError(event.payload.code, event.payload.detail));
    for (const listener of this.events) listener(event);
  }

  private settle(id: string): Waiting | undefined {
    const waiting = this.waiting.get(id);
    if (!waiting) return undefined;
    this.waiting.delete(id);
    this.timers.clearTimeout(waiting.timer);
    return waiting;
  }

  private failWaiting(): void {
    for (const id of [...this.waiting.keys()]) this.settle(id)?.fail(new NotConnected());
  }

  private retry(code?: number): void {
    this.failWaiting();
    const attempt = this.state.attempt + 1;
    this.change({ status: 'reconnecting', attempt });
    // A server that restarts says so (1012): it is back soon, so the first try comes soon. A refusal for too many
    // sockets needs the longest pause.
    const step = code === CLOSE_TOO_MANY ? 10 : code === CLOSE_GOING_AWAY ? 0 : attempt - 1;
    this.timer = this.timers.setTimeout(
      () => {
        this.timer = undefined;
        void this.connect();
      },
      pauseBefore(step, this.random),
    );
  }

  private signedOut(): void {
    this.resume = undefined;
    this.failWaiting();
    this.change({ status: 'signed-out', peerId: undefined, attempt: 0 });
  }

  private clearTimer(): void {
    if (this.timer !== undefined) this.timers.clearTimeout(this.timer);
    this.timer = undefined;
  }

  private change(change: Partial<ConnectionState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.states) listener(this.state);
  }
}

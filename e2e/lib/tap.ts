/** A cable to the server on which it is seen when something sets out and when it arrives: TCP that is passed on as it is. */
import { type AddressInfo, connect as connectTo, createServer, type Server, type Socket } from "node:net";

/** How long something was with the server, in milliseconds of the clock that pages have too. */
export interface Trip {
  /** The type of a message, or the first line of a request. */
  what: string;
  from: number;
  to: number;
}

/** Messages whose way through the server is noted. */
const FOLLOWED = /"type":"((?:call|rtc)\.[a-z]+)"/;

const now = (): number => performance.timeOrigin + performance.now();

async function listen(): Promise<Server> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return listener;
}

/** Takes RFC 6455 frames, masked or not, off the front of a stream. Nothing here sends one in parts. */
class Frames {
  private held: Buffer = Buffer.alloc(0);

  /** The texts that are whole now. */
  take(chunk: Buffer): string[] {
    this.held = Buffer.concat([this.held, chunk]);
    const texts: string[] = [];
    for (;;) {
      const [first = 0, second = 0] = this.held;
      const short = second & 0x7f;
      const extended = short === 126 ? 2 : short === 127 ? 8 : 0;
      const masked = second >= 0x80 ? 4 : 0;
      const start = 2 + extended + masked;
      if (this.held.length < start) return texts;
      const length = extended === 0 ? short : extended === 2 ? this.held.readUInt16BE(2) : Number(this.held.readBigUInt64BE(2));
      if (this.held.length < start + length) return texts;
      const mask = this.held.subarray(start - masked, start);
      const payload = this.held.subarray(start, start + length);
      const plain = masked ? payload.map((byte, at) => byte ^ (mask[at % 4] ?? 0)) : payload;
      if ((first & 0x0f) === 1) texts.push(plain.toString());
      this.held = this.held.subarray(start + length);
    }
  }
}

export class Tap {
  readonly trips: Trip[] = [];
  /** When messages that are with the server came to it, by type. */
  private readonly under = new Map<string, number[]>();

  private constructor(
    private readonly listener: Server,
    /** What a server at the other end sets. */
    readonly settings: { MESH_PUBLIC_URL: string; MESH_LISTEN: string },
    private readonly port: number,
  ) {}

  static async start(): Promise<Tap> {
    const free = await listen();
    const { port } = free.address() as AddressInfo;
    await new Promise((resolve) => free.close(resolve));
    const listener = await listen();
    const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    const tap = new Tap(listener, { MESH_PUBLIC_URL: url, MESH_LISTEN: `127.0.0.1:${port}` }, port);
    listener.on("connection", (client) => tap.join(client));
    return tap;
  }

  stop(): void {
    this.listener.close();
  }

  private join(client: Socket): void {
    const server = connectTo(this.port, "127.0.0.1");
    const [up, down] = [new Frames(), new Frames()];
    let asked: { what: string; from: number } | undefined;
    let upgraded = false;
    client.on("data", (chunk: Buffer) => {
      const at = now();
      server.write(chunk);
      if (upgraded) for (const text of up.take(chunk)) this.sets(FOLLOWED.exec(text)?.[1], at);
      else asked ??= { what: chunk.toString("latin1").split("\r\n", 1)[0] ?? "", from: at };
    });
    server.on("data", (chunk: Buffer) => {
      const at = now();
      client.write(chunk);
      if (upgraded) for (const text of down.take(chunk)) this.arrives(FOLLOWED.exec(text)?.[1], at);
      else if (asked) {
        this.trips.push({ ...asked, to: at });
        asked = undefined;
        upgraded = chunk.toString("latin1").startsWith("HTTP/1.1 101");
      }
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.setNoDelay();
      one.on("close", () => other.destroy());
      one.on("error", () => other.destroy());
    }
  }

  private sets(what: string | undefined, at: number): void {
    if (what) this.under.set(what, [...(this.under.get(what) ?? []), at]);
  }

  private arrives(what: string | undefined, at: number): void {
    const from = what && this.under.get(what)?.shift();
    if (what && from) this.trips.push({ what, from, to: at });
  }
}

/** The time in which something was with the server: trips side by side count once. */
export function timeAtServer(trips: readonly Trip[]): number {
  let [sum, until] = [0, 0];
  for (const { from, to } of trips.toSorted((a, b) => a.from - b.from)) {
    sum += Math.max(0, to - Math.max(from, until));
    until = Math.max(until, to);
  }
  return sum;
}

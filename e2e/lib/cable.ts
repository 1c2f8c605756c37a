/** A machine with a network of its own, on a cable that can be pulled: a namespace of Linux and a pair of devices. */
import { execFileSync } from "node:child_process";

function ip(...words: string[]): void {
  execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] });
}

export class Cable {
  private readonly namespace = `mesh-${process.pid}`;
  private readonly device = `mesh${process.pid}`;
  /** Where the machine finds what runs at this end. */
  readonly address = `10.213.${process.pid % 250}.1`;

  /** Only root may make networks. */
  static readonly possible = process.platform === "linux" && process.getuid?.() === 0;

  constructor() {
    const there = this.address.replace(/1$/, "2");
    ip("netns", "add", this.namespace);
    ip("link", "add", this.device, "type", "veth", "peer", "name", "cable", "netns", this.namespace);
    ip("address", "add", `${this.address}/24`, "dev", this.device);
    ip("-n", this.namespace, "address", "add", `${there}/24`, "dev", "cable");
    for (const device of ["lo", "cable"]) ip("-n", this.namespace, "link", "set", device, "up");
    this.plug();
  }

  /** The words before a command that is to run on the machine. */
  get onMachine(): string[] {
    return ["ip", "netns", "exec", this.namespace];
  }

  pull(): void {
    ip("link", "set", this.device, "down");
  }

  plug(): void {
    ip("link", "set", this.device, "up");
  }

  remove(): void {
    ip("link", "delete", this.device);
    ip("netns", "delete", this.namespace);
  }
}

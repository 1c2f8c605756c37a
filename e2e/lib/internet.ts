/**
 * An Internet of its own, in namespaces of Linux: a middle with a server and a relay, and sites whose routers translate addresses.
 * The same as `testkit/src/internet.rs`, for browsers.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type LaunchOptions } from "@playwright/test";

const COTURN = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../infra/coturn");
/** Both are of one machine; of two, a router shows what it does. They must be addresses that the relay takes for public. */
const SERVERS = ["5.5.5.1", "5.5.5.2"] as const;
const SECRET = "the relay and the server share it, and nobody else";

export type Nat = "none" | "cone" | "symmetric";

function ip(...words: string[]): void {
  execFileSync("ip", words, { stdio: ["ignore", "ignore", "pipe"] });
}

function within(namespace: string, ...words: string[]): void {
  ip("netns", "exec", namespace, ...words);
}

/** A machine of its own. */
export class Site {
  private readonly browsers: Browser[] = [];

  constructor(
    private readonly folder: string,
    private readonly namespace: string,
    private readonly router: string,
    /** The middle's end of its cable: where, and its name there. */
    private readonly cable: readonly [string, string],
  ) {}

  /** The words before a command that is to run there. */
  get words(): string[] {
    return ["ip", "netns", "exec", this.namespace];
  }

  /** A browser there, which takes that address for a safe one, as it does with https. */
  async browser(options: LaunchOptions, url: string): Promise<Browser> {
    const executablePath = path.join(this.folder, this.namespace);
    const program = options.executablePath ?? "chromium";
    await writeFile(executablePath, `#!/bin/sh\nexec ${this.words.join(" ")} ${program} "$@"\n`);
    await chmod(executablePath, 0o755);
    const args = [...(options.args ?? []), `--unsafely-treat-insecure-origin-as-secure=${url}`];
    const browser = await chromium.launch({ ...options, executablePath, args });
    this.browsers.push(browser);
    return browser;
  }

  /** From now on its router lets no UDP through. */
  blockUdp(): void {
    within(this.router, "iptables", "-w", "-I", "FORWARD", "-p", "udp", "-j", "DROP");
  }

  pull(): void {
    const [middle, device] = this.cable;
    ip("-n", middle, "link", "set", device, "down");
  }

  plug(): void {
    const [middle, device] = this.cable;
    ip("-n", middle, "link", "set", device, "up");
  }

  async close(): Promise<void> {
    await Promise.all(this.browsers.map((browser) => browser.close()));
  }
}

export class Internet {
  /** Only root may make networks. */
  static readonly possible = process.platform === "linux" && process.getuid?.() === 0;

  /** What a server in the middle is told, so that it tells of the relay. */
  static readonly settings: Record<string, string> = {
    MESH_LISTEN: `${SERVERS[0]}:0`,
    STUN_URL: SERVERS.map((address) => `stun:${address}:3478`).join(","),
    TURN_URL: ["udp", "tcp"].map((transport) => `turn:${SERVERS[0]}:3478?transport=${transport}`).join(","),
    TURN_REALM: "mesh",
    TURN_SECRET: SECRET,
  };

  private readonly namespaces: string[] = [];
  private readonly sites: Site[] = [];
  private relay?: ChildProcess;

  private constructor(private readonly folder: string) {}

  static async make(): Promise<Internet> {
    const internet = new Internet(await mkdtemp(path.join(tmpdir(), "mesh-internet-")));
    const middle = internet.namespace("net");
    for (const address of SERVERS) ip("-n", middle, "address", "add", `${address}/32`, "dev", "lo");
    internet.forward(middle);
    return internet;
  }

  /** The words before a command that is to run in the middle. */
  get words(): string[] {
    return ["ip", "netns", "exec", this.middle];
  }

  private get middle(): string {
    return this.namespaces[0] ?? "";
  }

  site(nat: Nat): Site {
    const number = this.sites.length + 1;
    const edge = this.namespace(`edge${number}`);
    const cable = `site${number}`;
    this.join(this.middle, cable, edge, "wan", `5.6.${number}`);
    let machine = edge;
    if (nat !== "none") {
      machine = this.namespace(`site${number}`);
      this.join(edge, "lan", machine, "lan", `192.168.${number}`);
      this.forward(edge);
      const translate = ["-t", "nat", "-A", "POSTROUTING", "-o", "wan", "-j", "MASQUERADE"];
      const rules = [
        nat === "symmetric" ? [...translate, "--random-fully"] : translate,
        // What comes unasked leaves no trace: the kernel would otherwise show another port for what goes out next.
        ["-A", "INPUT", "-i", "wan", "-j", "DROP"],
        ["-A", "FORWARD", "-i", "wan", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"],
        ["-A", "FORWARD", "-i", "wan", "-j", "DROP"],
      ];
      for (const rule of rules) within(edge, "iptables", "-w", ...rule);
    }
    const site = new Site(this.folder, machine, edge, [this.middle, cable]);
    this.sites.push(site);
    return site;
  }

  /** Starts coturn with the settings that are shipped; again, it knows nothing of what it relayed before. */
  async startRelay(): Promise<void> {
    const addresses = SERVERS.flatMap((address) => [`--listening-ip=${address}`, `--relay-ip=${SERVERS[0]}`]);
    const env = {
      ...process.env,
      TURN_SETTINGS: path.join(COTURN, "turnserver.conf"),
      TURN_RUN_DIR: this.folder,
      TURN_REALM: "mesh",
      TURN_EXTERNAL_IP: SERVERS[0],
      TURN_SECRET: SECRET,
    };
    const [program = "", ...words] = [...this.words, "sh", path.join(COTURN, "start.sh"), "--relay-threads=1", ...new Set(addresses)];
    this.relay = spawn(program, words, { env, stdio: ["ignore", "pipe", "ignore"] });
    for await (const line of this.relay.stdout ?? []) if (/listener opened|Relay ports|Total General/i.test(String(line))) break;
    this.relay.stdout?.resume();
  }

  async killRelay(): Promise<void> {
    const ended = this.relay && once(this.relay, "exit");
    this.relay?.kill("SIGKILL");
    await ended;
    this.relay = undefined;
  }

  async remove(): Promise<void> {
    await Promise.all(this.sites.map((site) => site.close()));
    await this.killRelay();
    for (const namespace of this.namespaces) ip("netns", "delete", namespace);
    await rm(this.folder, { recursive: true, force: true });
  }

  private namespace(name: string): string {
    const namespace = `mesh-e2e-${process.pid}-${name}`;
    ip("netns", "add", namespace);
    this.namespaces.push(namespace);
    ip("-n", namespace, "link", "set", "lo", "up");
    return namespace;
  }

  private forward(namespace: string): void {
    within(namespace, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward");
  }

  /** A cable. The first end has address 1 of the network, the second address 2 and its way out there. */
  private join(first: string, its: string, second: string, device: string, network: string): void {
    ip("link", "add", its, "netns", first, "type", "veth", "peer", "name", device, "netns", second);
    const ends = [
      [first, its, 1],
      [second, device, 2],
    ] as const;
    for (const [namespace, device, host] of ends) {
      ip("-n", namespace, "address", "add", `${network}.${host}/24`, "dev", device);
      // An address that it gives itself a second later would break off what a browser loads.
      ip("-n", namespace, "link", "set", device, "addrgenmode", "none");
      ip("-n", namespace, "link", "set", device, "up");
    }
    ip("-n", second, "route", "add", "default", "via", `${network}.1`);
  }
}

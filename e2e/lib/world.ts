/** A server of its own in a folder of its own, agents beside it, and the pages that people open. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, type BrowserContextOptions, expect, type Page, test as base } from "@playwright/test";
import { Program } from "./process.ts";

export class Agent {
  readonly home: string;
  readonly downloads: string;
  private daemon?: Program;

  /** `before` are the words of a program that runs it, such as one that puts it into a network of its own. */
  constructor(
    private readonly folder: string,
    private readonly before: readonly string[],
  ) {
    this.home = path.join(folder, "home");
    this.downloads = path.join(folder, "downloads");
  }

  /** Signs in with a one-time link and starts the daemon. */
  async start(link: string, ...up: string[]): Promise<void> {
    await this.signIn(link);
    await this.up(...up);
  }

  /** Starts the daemon of a device that is signed in. */
  async up(...options: string[]): Promise<void> {
    this.daemon = this.run("up", ...options);
    await this.daemon.until(/^This device is up/);
  }

  /** The same in a terminal, where somebody can answer its questions. */
  async startInTerminal(link: string): Promise<void> {
    await this.signIn(link);
    this.daemon = new Program("mesh", ["up"], this.env, { terminal: true, before: this.before });
    await this.daemon.until(/This device is up/);
  }

  run(...args: string[]): Program {
    return new Program("mesh", args, this.env, { before: this.before });
  }

  private get env(): Record<string, string> {
    // The desktop of whoever runs the tests is not to take part.
    const noDesktop = { DBUS_SESSION_BUS_ADDRESS: "", XDG_RUNTIME_DIR: "" };
    return { MESH_HOME: this.home, MESH_DOWNLOAD_DIR: this.downloads, SHELL: "/bin/sh", PS1: "$ ", ...noDesktop };
  }

  private async signIn(link: string): Promise<void> {
    await mkdir(this.downloads, { recursive: true });
    const login = this.run("login", link);
    if ((await login.exit) !== 0) throw new Error(`mesh login:\n${login.lines.join("\n")}`);
  }

  get program(): Program {
    if (!this.daemon) throw new Error("the agent has not been started");
    return this.daemon;
  }

  async stop(): Promise<void> {
    await this.daemon?.stop();
  }
}

export class World {
  private readonly agents: Agent[] = [];

  private constructor(
    readonly folder: string,
    readonly server: Program,
    readonly url: string,
    readonly setupLink: string,
  ) {}

  /** With further settings of the server, and the words of a program that runs it. */
  static async start(settings: Record<string, string> = {}, before: readonly string[] = []): Promise<World> {
    const folder = await mkdtemp(path.join(tmpdir(), "mesh-e2e-"));
    const env = { MESH_LISTEN: "127.0.0.1:0", MESH_DATA_DIR: path.join(folder, "data"), ...settings };
    const server = new Program("mesh-server", [], env, { before });
    const setup = server.until(/^Setup link: /);
    const url = (await server.until(/^Listening on /)).slice("Listening on ".length).trim();
    return new World(folder, server, url, (await setup).slice("Setup link: ".length).trim());
  }

  /** A one-time sign-in link, as the operator prints it. */
  async link(user: string): Promise<string> {
    const command = new Program("mesh-server", ["user", "link", user], { MESH_DATA_DIR: path.join(this.folder, "data") });
    return command.until(/^http/);
  }

  agent(name: string, before: readonly string[] = []): Agent {
    const agent = new Agent(path.join(this.folder, name), before);
    this.agents.push(agent);
    return agent;
  }

  async stop(): Promise<void> {
    await Promise.all(this.agents.map((agent) => agent.stop()));
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A page of somebody new: own cookies, own storage. */
export async function somebody(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  // A file dialog of the operating system cannot be driven; without it the page saves by way of its own storage.
  await context.addInitScript(() => Reflect.deleteProperty(window, "showSaveFilePicker"));
  return context.newPage();
}

/** Makes the first account, as a newcomer does from the printed link. */
export async function setUp(page: Page, world: World, name = "alice"): Promise<void> {
  await page.goto(world.setupLink);
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.getByRole("textbox", { name: "Password" }).fill("correct horse battery staple");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
}

export const test = base.extend<{ settings: Record<string, string>; world: World }>({
  /** Of the server, as environment variables. */
  settings: [{}, { option: true }],
  world: async ({ browser, settings }, use) => {
    const world = await World.start(settings);
    await use(world);
    // The browser is the next story's too: what stays open would go on calling, showing and reconnecting beside it.
    await Promise.all(browser.contexts().map((context) => context.close()));
    await world.stop();
  },
});

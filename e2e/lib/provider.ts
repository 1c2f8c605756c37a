/** The OpenID provider of a story: a real one, beside the server. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const SECRET = "the secret of the client at the provider";
const program = path.join(path.dirname(fileURLToPath(import.meta.url)), "provider.mjs");

export class OpenIdProvider {
  private constructor(
    private readonly child: ChildProcess,
    private readonly lines: Interface,
    private readonly url: string,
  ) {}

  static async start(): Promise<OpenIdProvider> {
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, CLIENT_SECRET: SECRET },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const lines = createInterface(child.stdout);
    const [url] = (await once(lines, "line")) as [string];
    return new OpenIdProvider(child, lines, url);
  }

  /** What a server is told about it. */
  get settings(): Record<string, string> {
    return { OIDC_ISSUER: this.url, OIDC_CLIENT_ID: "mesh", OIDC_CLIENT_SECRET: SECRET, OIDC_NAME: "Example" };
  }

  /** Serves the Mesh at this address. */
  async serve(mesh: string): Promise<void> {
    this.child.stdin?.write(`${mesh}/auth/oidc/callback\n`);
    await once(this.lines, "line");
  }

  async stop(): Promise<void> {
    this.child.kill();
    await once(this.child, "exit");
  }
}

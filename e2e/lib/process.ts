/** Real binaries as children: their lines as events, their end awaited. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** As the tests build it, or as people have it, which is what benchmarks measure. */
export function binary(name: string): string {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(repository, "target");
  return path.join(target, process.env.PROFILE ?? "debug", name);
}

export class Program {
  readonly lines: string[] = [];
  /** What came since the last question was answered; a question ends with no line break. */
  private unanswered = "";
  private asking?: { test: (text: string) => boolean; resolve: () => void };
  readonly exit: Promise<number | null>;
  private waiting: { test: (line: string) => boolean; resolve: (line: string) => void; reject: (why: Error) => void }[] = [];
  private readonly child: ChildProcess;

  /**
   * `terminal` runs it within a terminal of its own (by util-linux' `script`), where it can ask questions; `before` are the
   * words of a program that runs it.
   */
  constructor(
    name: string,
    args: string[],
    env: Record<string, string>,
    { terminal = false, before = [] }: { terminal?: boolean; before?: readonly string[] } = {},
  ) {
    const command = [...before, binary(name), ...args];
    const line = command.map((word) => `'${word}'`).join(" ");
    const [program = "", ...words] = terminal ? ["script", "-qefc", line, "/dev/null"] : command;
    this.child = spawn(program, words, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (!stream) continue;
      createInterface(stream).on("line", (line) => this.line(line));
      stream.on("data", (chunk: Buffer) => this.heard(chunk.toString()));
    }
    this.exit = once(this.child, "exit").then(([code]) => {
      const why = new Error(`${name} ${args[0] ?? ""} ended with ${code}:\n${this.lines.slice(-20).join("\n")}`);
      for (const { reject } of this.waiting.splice(0)) reject(why);
      return code as number | null;
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** The first line, past or to come, that matches; fails when the program ends before. */
  async until(pattern: RegExp): Promise<string> {
    const past = this.lines.find((line) => pattern.test(line));
    if (past !== undefined) return past;
    if (this.child.exitCode !== null) throw new Error(`ended before ${pattern}:\n${this.lines.join("\n")}`);
    return new Promise((resolve, reject) => this.waiting.push({ test: (line) => pattern.test(line), resolve, reject }));
  }

  /** Waits for a question that has not been answered yet. */
  async asked(pattern: RegExp): Promise<void> {
    if (pattern.test(this.unanswered)) return;
    return new Promise((resolve) => {
      this.asking = { test: (text) => pattern.test(text), resolve };
    });
  }

  type(text: string): void {
    this.unanswered = "";
    this.child.stdin?.write(text);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    return this.exit;
  }

  private heard(text: string): void {
    this.unanswered += text;
    if (this.asking?.test(this.unanswered)) {
      this.asking.resolve();
      this.asking = undefined;
    }
  }

  private line(line: string): void {
    this.lines.push(line);
    this.waiting = this.waiting.filter((one) => {
      if (!one.test(line)) return true;
      one.resolve(line);
      return false;
    });
  }
}

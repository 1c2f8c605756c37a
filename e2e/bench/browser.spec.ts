/**
 * One data channel with a browser at one end or at both, and a file through Mesh the same way, one run, interleaved:
 * `cargo xtask bench browser`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { hostname } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { type Browser, chromium, expect, type LaunchOptions, type Page, test } from "@playwright/test";
import { pick, randomFile } from "../lib/files.ts";
import { invitation, join } from "../lib/people.ts";
import { binary } from "../lib/process.ts";
import { person } from "../lib/profile.ts";
import { keep, median } from "../lib/results.ts";
import { setUp, World } from "../lib/world.ts";

const ROUNDS = Number(process.env.ROUNDS ?? 3);
const MIB = Number(process.env.MIB ?? 64);
const FILE_MIB = Number(process.env.FILE_MIB ?? 256);

/** What one end says to the other: a description, a candidate, or its result. */
interface Message {
  type: "offer" | "answer" | "candidate" | "result";
  sdp?: string;
  candidate?: RTCIceCandidateInit;
  readings?: { megabytes_per_s: number };
}

/** One end of a channel; messages for it go into `take`, its own come out of `on`. */
interface End {
  take: (message: Message) => void;
  on: (listener: (message: Message) => void) => void;
  close: () => Promise<void>;
}

/** Runs in the page: sends or receives `mib` MiB, as `mesh-bench datachannel-end` does. */
function inPage({ role, offer, mib }: { role: "send" | "receive"; offer: boolean; mib: number }): void {
  const say = (message: unknown) => (window as unknown as { say: (text: string) => void }).say(JSON.stringify(message));
  const size = 64 * 1024;
  const total = mib * 1024 * 1024;
  const connection = new RTCPeerConnection();
  connection.onicecandidate = ({ candidate }) => candidate?.candidate && say({ type: "candidate", candidate: candidate.toJSON() });
  const measured = (start: number) =>
    say({ type: "result", readings: { megabytes_per_s: total / 1e6 / ((performance.now() - start) / 1000) } });

  function use(channel: RTCDataChannel): void {
    channel.binaryType = "arraybuffer";
    let received = 0;
    let start = 0;
    channel.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      if (role === "send") {
        measured(start);
        return;
      }
      start ||= performance.now();
      if (Number(new DataView(data).getBigUint64(0, true)) !== received) throw new Error("out of order");
      received += data.byteLength;
      if (received === total) {
        measured(start);
        channel.send(new TextEncoder().encode("done"));
      }
    };
    channel.bufferedAmountLowThreshold = 512 * 1024;
    let offset = 0;
    const message = new Uint8Array(size).fill(0x5a);
    const fill = () => {
      while (offset < total && channel.bufferedAmount < 2 * 1024 * 1024) {
        new DataView(message.buffer).setBigUint64(0, BigInt(offset), true);
        channel.send(message);
        offset += size;
      }
    };
    const begin = () => {
      if (role !== "send") return;
      start = performance.now();
      channel.onbufferedamountlow = fill;
      fill();
    };
    if (channel.readyState === "open") begin();
    else channel.onopen = begin;
  }

  // Candidates may come before the description they belong to.
  const early: RTCIceCandidateInit[] = [];
  Object.assign(window, {
    take: async (message: Message) => {
      if (message.type === "candidate" && message.candidate) {
        if (connection.remoteDescription) await connection.addIceCandidate(message.candidate);
        else early.push(message.candidate);
        return;
      }
      await connection.setRemoteDescription({ type: message.type as RTCSdpType, sdp: message.sdp ?? "" });
      for (const candidate of early.splice(0)) await connection.addIceCandidate(candidate);
      if (message.type === "offer") {
        await connection.setLocalDescription();
        say({ type: "answer", sdp: connection.localDescription?.sdp });
      }
    },
  });
  connection.ondatachannel = ({ channel }) => use(channel);
  if (!offer) return;
  use(connection.createDataChannel("bench", { protocol: "mesh.bench.v1" }));
  void connection.setLocalDescription().then(() => say({ type: "offer", sdp: connection.localDescription?.sdp }));
}

/** Keeps what an end says until somebody listens. */
function outbox(): { say: (text: string) => void; on: End["on"] } {
  const waiting: Message[] = [];
  let listener: ((message: Message) => void) | undefined;
  return {
    say: (text) => {
      const message = JSON.parse(text) as Message;
      if (listener) listener(message);
      else waiting.push(message);
    },
    on: (wanted) => {
      listener = wanted;
      for (const message of waiting.splice(0)) wanted(message);
    },
  };
}

async function inBrowser(browser: Browser, role: "send" | "receive", offer: boolean): Promise<End> {
  const page: Page = await browser.newPage();
  const { say, on } = outbox();
  await page.exposeFunction("say", say);
  await page.evaluate(inPage, { role, offer, mib: MIB });
  return {
    take: (message) => void page.evaluate((m) => (window as unknown as { take: (m: Message) => Promise<void> }).take(m), message),
    on,
    close: () => page.close(),
  };
}

function native(role: "send" | "receive", offer: boolean): End {
  const args = ["datachannel-end", "--stack", "mesh", "--role", role, "--mib", String(MIB), ...(offer ? ["--offer"] : [])];
  const child: ChildProcess = spawn(binary("mesh-bench"), args, { stdio: ["pipe", "pipe", "inherit"] });
  const { say, on } = outbox();
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", say);
  return {
    take: (message) => void child.stdin?.write(`${JSON.stringify(message)}\n`),
    on,
    close: async () => void child.kill(),
  };
}

/** Joins both ends; gives the rate that the receiver saw, MB/s. */
async function rate(sender: End, receiver: End): Promise<number> {
  const result = new Promise<number>((resolve) => {
    receiver.on((message) => {
      if (message.type === "result") resolve(message.readings?.megabytes_per_s ?? 0);
      else sender.take(message);
    });
    sender.on((message) => {
      if (message.type !== "result") receiver.take(message);
    });
  });
  const measured = await result;
  await sender.close();
  await receiver.close();
  return measured;
}

/** From the choice of the person who gets it, or of a machine that asks nobody, until all is verified; MB/s. */
async function fileRate(page: Page, start: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await start();
  await expect(page.getByText("BLAKE3 verified")).toBeVisible({ timeout: 0 });
  return (FILE_MIB * 2 ** 20) / 1e6 / ((performance.now() - begin) / 1000);
}

/** A world with a page in it and a file to send, for one transfer. */
async function transfer(options: LaunchOptions, run: (world: World, page: Page, file: string) => Promise<number>): Promise<number> {
  const world = await World.start();
  const alice = await person(world, "alice", options);
  try {
    await setUp(alice.page, world);
    const file = path.join(world.folder, "film.mkv");
    await randomFile(file, FILE_MIB);
    return await run(world, alice.page, file);
  } finally {
    await alice.close();
    await world.stop();
  }
}

function files(options: LaunchOptions): Record<string, () => Promise<number>> {
  return {
    "Chromium to Chromium": () =>
      transfer(options, async (world, page, file) => {
        const bob = await person(world, "bob", options);
        await join(bob.page, await invitation(page), "bob");
        await expect(page.getByRole("listitem", { name: "bob" })).toContainText("Online");
        await pick(page, "Send files", file);
        const measured = await fileRate(bob.page, () => bob.page.getByRole("button", { name: "Accept" }).click());
        await bob.close();
        return measured;
      }),
    "Chromium to agent": () =>
      transfer(options, async (world, page, file) => {
        await world.agent("machine").start(await world.link("alice"), "--allow", "share:file");
        await page.getByRole("button", { name: `Send a file to ${hostname()}` }).waitFor();
        return fileRate(page, () => pick(page, `Send a file to ${hostname()}`, file));
      }),
    "agent to Chromium": () =>
      transfer(options, async (world, page, file) => {
        const agent = world.agent("machine");
        await agent.start(await world.link("alice"));
        agent.run("send", file, "--to", "Home");
        const accept = page.getByRole("button", { name: "Accept" });
        await accept.waitFor();
        return fileRate(page, () => accept.click());
      }),
  };
}

test("browser to browser, browser to agent, agent to browser: the bare channel, and a file", async ({ browser, launchOptions }) => {
  const other = await chromium.launch(launchOptions);
  const channels: Record<string, () => Promise<number>> = {
    "Chromium to Chromium": async () => rate(await inBrowser(browser, "send", true), await inBrowser(other, "receive", false)),
    "Chromium to agent": async () => rate(await inBrowser(browser, "send", true), native("receive", false)),
    // The browser offers: what repairs losses between agents is not promised to it.
    "agent to Chromium": async () => rate(native("send", false), await inBrowser(browser, "receive", true)),
  };
  const transfers = files(launchOptions);
  const measured = Object.keys(channels).map((name) => ({ name, channel: [] as number[], file: [] as number[] }));
  for (let round = 0; round < ROUNDS; round++)
    for (const { name, channel, file } of measured) {
      channel.push((await channels[name]?.()) ?? 0);
      file.push((await transfers[name]?.()) ?? 0);
    }
  await other.close();

  const shown = (values: number[]) => `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)})`;
  console.log("| MB/s, median (range) | bare channel | a file, verified and on the disk | of the channel |\n|---|---|---|---|");
  for (const { name, channel, file } of measured) {
    console.log(`| ${name} | ${shown(channel)} | ${shown(file)} | ${(median(file) / median(channel)).toFixed(2)} |`);
    expect(median(channel)).toBeGreaterThan(0);
  }
  await keep("browser", { channel_mib: MIB, file_mib: FILE_MIB, measured });
});

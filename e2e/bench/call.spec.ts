/**
 * From accept to the first picture, and what a call of two to six costs when all of them are on this machine:
 * `cargo xtask bench call`.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, expect, type Page } from "@playwright/test";
import { accept, people, ringEverybody, stage, type Watched } from "../lib/call.ts";
import { browserSeconds } from "../lib/processor.ts";
import { test, type World } from "../lib/world.ts";

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const NAMES = ["bob", "carol", "dave", "erin", "frank"];
const OBSERVED_S = 15;
/** A picture that moves, on a machine that has time for it. */
const CARRIED_FPS = 15;
const CARRIED_DROPS = 0.02;

const results: Record<string, unknown> = {};

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Notes when Accept was pressed, when the other's description came, and when a picture was. */
async function watchFirstPicture(page: Page): Promise<void> {
  await page.evaluate(() => {
    const at: Record<string, number> = {};
    Object.assign(window, { at });
    const note = (name: string) => {
      at[name] ??= performance.now();
    };
    document.addEventListener(
      "click",
      ({ target }) => {
        if (target instanceof Element && target.closest("button")?.textContent?.includes("Accept")) note("accepted");
      },
      true,
    );
    type Describe = (this: RTCPeerConnection, description: RTCSessionDescriptionInit) => Promise<void>;
    const setRemoteDescription = RTCPeerConnection.prototype.setRemoteDescription as Describe;
    RTCPeerConnection.prototype.setRemoteDescription = async function (this: RTCPeerConnection, description) {
      if (at.accepted !== undefined) note("described");
      await setRemoteDescription.call(this, description);
    };
    const seen = new WeakSet<Element>();
    new MutationObserver(() => {
      for (const video of document.querySelectorAll<HTMLVideoElement>('video[aria-label="Picture of alice"]'))
        if (!seen.has(video)) {
          seen.add(video);
          video.requestVideoFrameCallback(() => note("picture"));
        }
    }).observe(document, { subtree: true, childList: true });
  });
}

interface Trip {
  what: string;
  /** Milliseconds of the clock that all pages share. */
  sent?: number;
  received?: number;
}

/** Notes when what the server passes on was sent and came, and how long it took to answer requests. */
async function watchSignalling(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const trips: Trip[] = [];
    Object.assign(window, { trips });
    const now = () => performance.timeOrigin + performance.now();
    const typeOf = (data: unknown): string | undefined =>
      typeof data === "string" ? /"type":"(call\.accept|rtc\.offer|rtc\.answer)"/.exec(data)?.[1] : undefined;
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
      const what = typeOf(data);
      if (what !== undefined) trips.push({ what, sent: now() });
      send.call(this, data);
    };
    window.WebSocket = class extends WebSocket {
      constructor(...given: ConstructorParameters<typeof WebSocket>) {
        super(...given);
        this.addEventListener("message", ({ data }) => {
          const what = typeOf(data);
          if (what !== undefined) trips.push({ what, received: now() });
        });
      }
    };
    const ask = window.fetch;
    window.fetch = async (...given) => {
      const sent = now();
      const answer = await ask(...given);
      trips.push({ what: "request", sent, received: now() });
      return answer;
    };
  });
}

/** What the server took of it: each message on its way, and every request, as if none had gone beside another. */
async function signalling(...pages: Page[]): Promise<number> {
  const trips = (await Promise.all(pages.map((page) => page.evaluate(() => (window as unknown as { trips: Trip[] }).trips)))).flat();
  const accepted = Math.min(...trips.filter(({ what, sent }) => what === "call.accept" && sent).map(({ sent }) => sent ?? 0));
  const first = (what: string, end: "sent" | "received") =>
    Math.min(...trips.filter((trip) => trip.what === what).flatMap((trip) => ((trip[end] ?? 0) >= accepted ? [trip[end] ?? 0] : [])));
  const messages = ["call.accept", "rtc.offer", "rtc.answer"].map((what) => first(what, "received") - first(what, "sent"));
  const answered = first("rtc.answer", "received");
  const requests = trips.flatMap(({ what, sent = 0, received = 0 }) =>
    what === "request" && sent >= accepted && received <= answered ? [received - sent] : [],
  );
  return [...messages, ...requests].reduce((all, one) => all + one, 0);
}

test("from accept to the first picture", async ({ browser, world }) => {
  test.setTimeout(300_000);
  const [alice, bob] = await people(browser, world, "bob");
  const picture: number[] = [];
  const described: number[] = [];
  const server: number[] = [];
  for (const page of [alice, bob]) {
    await watchSignalling(page);
    await page.reload();
  }
  await expect(alice.getByRole("listitem", { name: "bob" })).toContainText("Online");
  for (let round = 0; round < ROUNDS; round++) {
    await watchFirstPicture(bob);
    await ringEverybody(alice);
    await accept(bob);
    const at = () => bob.evaluate(() => (window as unknown as { at: Record<string, number> }).at);
    await expect.poll(async () => (await at()).picture).toBeGreaterThan(0);
    const times = await at();
    picture.push((times.picture ?? 0) - (times.accepted ?? 0));
    described.push((times.described ?? 0) - (times.accepted ?? 0));
    server.push(await signalling(alice, bob));
    for (const page of [bob, alice]) {
      await stage(page).getByRole("button", { name: "Leave the call" }).click();
      await expect(stage(page)).toBeHidden();
    }
    await bob.reload();
    await alice.reload();
    await expect(alice.getByRole("listitem", { name: "bob" })).toContainText("Online");
  }
  const tell = (name: string, values: number[]) =>
    console.log(`| ${name} | ${median(values).toFixed(0)} ms (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}) |`);
  tell("accept to the other's description", described);
  tell("of which messages and requests through the server", server);
  tell("accept to first picture", picture);
  results.accept = { rounds: ROUNDS, first_picture_ms: picture, description_ms: described, signalling_ms: server };
});

interface Received {
  decoded: number;
  dropped: number;
  height: number;
}

/** Of every picture that comes to this page. */
function received(page: Page): Promise<Received[]> {
  return page.evaluate(async () => {
    const pictures: Received[] = [];
    for (const link of (window as unknown as Watched).links)
      for (const report of (await link.getStats()).values() as Iterable<Record<string, unknown>>)
        if (report.type === "inbound-rtp" && report.kind === "video" && link.connectionState === "connected")
          pictures.push({
            decoded: Number(report.framesDecoded ?? 0),
            dropped: Number(report.framesDropped ?? 0),
            height: Number(report.frameHeight ?? 0),
          });
    return pictures;
  });
}

async function callOf(count: number, browser: Browser, world: World): Promise<void> {
  const pages: Page[] = await people(browser, world, ...NAMES.slice(0, count - 1));
  const [first, ...others] = pages;
  if (!first) return;
  await ringEverybody(first);
  for (const page of others) await accept(page);
  for (const page of pages)
    await expect
      .poll(async () => (await received(page)).filter(({ decoded }) => decoded > 5).length, { timeout: 120_000 })
      .toBe(count - 1);
  // The rates that the senders begin with have grown to what the path carries.
  await first.waitForTimeout(OBSERVED_S * 1000);

  const before = await Promise.all(pages.map(received));
  const [seconds, begun] = [browserSeconds(), performance.now()];
  await first.waitForTimeout(OBSERVED_S * 1000);
  const after = await Promise.all(pages.map(received));
  const elapsed = (performance.now() - begun) / 1000;
  const processors = (browserSeconds() - seconds) / elapsed / count;
  const pictures = after.flatMap((all, page) =>
    all.map(({ decoded, dropped, height }, index) => {
      const earlier = before[page]?.[index] ?? { decoded: 0, dropped: 0 };
      return { fps: (decoded - earlier.decoded) / elapsed, decoded: decoded - earlier.decoded, dropped: dropped - earlier.dropped, height };
    }),
  );
  const sum = (of: "decoded" | "dropped") => pictures.reduce((all, one) => all + one[of], 0);
  const fps = median(pictures.map((one) => one.fps));
  const drops = sum("dropped") / (sum("decoded") + sum("dropped"));
  const height = median(pictures.map((one) => one.height));
  const carried = fps >= CARRIED_FPS && drops <= CARRIED_DROPS;
  console.log(
    `| ${count} people | ${processors.toFixed(2)} processors each | ${height} lines | ${fps.toFixed(1)} frames/s | ${(100 * drops).toFixed(1)} % dropped | ${carried ? "carried" : "too many for this machine"} |`,
  );
  results[`people_${count}`] = { processors_each: processors, height, frames_per_s: fps, dropped: drops, carried };
}

for (let count = 2; count <= NAMES.length + 1; count++)
  test(`${count} people`, async ({ browser, world }) => {
    test.setTimeout(400_000);
    await callOf(count, browser, world);
  });

test.afterAll(async () => {
  const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
  const folder = path.join(repository, "bench/results", `${new Date().toISOString().slice(0, 10)}-local`);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "call.json"), `${JSON.stringify(results, null, 2)}\n`);
});

/**
 * From accept to the first picture, and what a call of two to six costs when all of them are on this machine:
 * `cargo xtask bench call`.
 */
import { type Browser, expect, type Page } from "@playwright/test";
import { accept, people, ringEverybody, stage, type Watched } from "../lib/call.ts";
import { browserSeconds } from "../lib/processor.ts";
import { keep, median } from "../lib/results.ts";
import { Tap, timeAtServer } from "../lib/tap.ts";
import { test, World } from "../lib/world.ts";

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const NAMES = ["bob", "carol", "dave", "erin", "frank"];
const OBSERVED_S = 15;
/** A picture that moves, on a machine that has time for it. */
const CARRIED_FPS = 15;
const CARRIED_DROPS = 0.02;

const results: Record<string, unknown> = {};

/** Milliseconds since the page was opened. */
interface Noted {
  accepted: number;
  described: number;
  picture: number;
}

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

test("from accept to the first picture", async ({ browser }) => {
  const tap = await Tap.start();
  const world = await World.start(tap.settings);
  const [alice, bob] = await people(browser, world, "bob");
  const picture: number[] = [];
  const described: number[] = [];
  const server: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await watchFirstPicture(bob);
    await ringEverybody(alice);
    await accept(bob);
    const at = () => bob.evaluate(() => ({ began: performance.timeOrigin, ...(window as unknown as { at: Noted }).at }));
    await expect.poll(async () => (await at()).picture).toBeGreaterThan(0);
    const times = await at();
    picture.push(times.picture - times.accepted);
    described.push(times.described - times.accepted);
    server.push(timeAtServer(tap.trips.filter(({ from }) => from >= times.began + times.accepted && from < times.began + times.picture)));
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
  tell("accept to first picture", picture);
  tell("of which something was with the server", server);
  results.accept = { rounds: ROUNDS, first_picture_ms: picture, description_ms: described, signalling_ms: server };
  await Promise.all(browser.contexts().map((context) => context.close()));
  await world.stop();
  tap.stop();
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
  test(`${count} people`, ({ browser, world }) => callOf(count, browser, world));

test.afterAll(() => keep("call", results));

/** How soon the page shows something, and how a room with ten thousand messages scrolls: `cargo xtask bench page`. */
import { type Browser, expect, type Page } from "@playwright/test";
import { people } from "../lib/call.ts";
import { loadAll, write } from "../lib/chat.ts";
import { keep, median } from "../lib/results.ts";
import { somebody, test } from "../lib/world.ts";

const OPENED = Number(process.env.ROUNDS ?? 7);
const MESSAGES = Number(process.env.MESSAGES ?? 10_000);
/** Pixels of one turn of a wheel, a turn in each picture. */
const WHEEL_PX = 120;
const SCROLLED_MS = 5_000;

const results: Record<string, unknown> = {};

const p99 = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? 0;

/** A browser that was never here: what it loads, and when something is seen. */
async function opened(browser: Browser, url: string) {
  const page = await somebody(browser);
  await page.goto(url);
  await expect(page.getByRole("button").first()).toBeVisible();
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
  const seen = await page.evaluate(() => ({
    painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN,
    scripts: (performance.getEntriesByType("resource") as PerformanceResourceTiming[])
      .filter(({ name }) => name.endsWith(".js"))
      .reduce((bytes, { encodedBodySize }) => bytes + encodedBodySize, 0),
  }));
  await page.context().close();
  return seen;
}

test("the first picture of the page", async ({ browser, world }) => {
  const all: Awaited<ReturnType<typeof opened>>[] = [];
  for (let round = 0; round < OPENED; round++) all.push(await opened(browser, world.setupLink));
  const painted = all.map((one) => one.painted);
  const scripts = median(all.map((one) => one.scripts));
  console.log(
    `| first contentful paint | ${median(painted).toFixed(0)} ms (${Math.min(...painted).toFixed(0)}–${Math.max(...painted).toFixed(0)}) | ${(scripts / 1000).toFixed(0)} kB of scripts |`,
  );
  results.first_contentful_paint_ms = painted;
  results.script_bytes = scripts;
});

/** Milliseconds from one picture to the next while somebody turns the wheel. */
function scrolled(page: Page): Promise<number[]> {
  return page.getByRole("log").evaluate(
    async (list, { by, time }) => {
      list.scrollTop = list.scrollHeight / 2;
      const next = () => new Promise<number>(requestAnimationFrame);
      await next();
      const begun = await next();
      const took: number[] = [];
      let before = begun;
      while (before - begun < time) {
        list.scrollTop -= by;
        const now = await next();
        took.push(now - before);
        before = now;
      }
      return took;
    },
    { by: WHEEL_PX, time: SCROLLED_MS },
  );
}

for (const [name, writers] of [
  ["of two people", 2],
  ["that one program wrote at once", 1],
] as const)
  test.describe(name, () => {
    test.use({ settings: { MESH_FRAMES_PER_SECOND: "1000000" } });

    test(`${MESSAGES} messages ${name}`, async ({ browser, world }) => {
      const both = await people(browser, world, "bob");
      const [reader] = both;
      const room = new URL(reader.url()).pathname.split("/").at(-1) ?? "";
      await Promise.all(both.slice(0, writers).map((page) => write(page, room, MESSAGES / writers)));
      await reader.reload();
      await expect(reader.getByRole("log")).toContainText(`Message ${MESSAGES / writers - 1}:`);
      const begun = performance.now();
      await loadAll(reader);
      const loaded = (performance.now() - begun) / 1000;
      const took = await scrolled(reader);
      const rate = (1000 * took.length) / took.reduce((all, one) => all + one, 0);
      const late = took.filter((one) => one > 1.5 * (1000 / 60)).length / took.length;
      console.log(
        `| ${MESSAGES} messages ${name} | all there in ${loaded.toFixed(1)} s | ${rate.toFixed(1)} pictures/s | p99 ${p99(took).toFixed(1)} ms | ${(100 * late).toFixed(1)} % late |`,
      );
      results[`messages ${name}`] = { loaded_seconds: loaded, pictures_per_s: rate, p99_ms: p99(took), late };
    });
  });

test.afterAll(() => keep("page", results));

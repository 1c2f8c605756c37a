/** Files larger than what a page may hold: two gibibytes each way, with the memory of the page: `cargo xtask transfers`. */
import { hostname } from "node:os";
import path from "node:path";
import { expect, test as base } from "@playwright/test";
import { blake3, pick, randomFile } from "../lib/files.ts";
import { invitation, join } from "../lib/people.ts";
import { type Person, person } from "../lib/profile.ts";
import { setUp, World } from "../lib/world.ts";

const MIB = Number(process.env.MIB ?? 2048);
const MAX_PAGE_BYTES = 300 * 2 ** 20;

const test = base.extend<{ world: World; person: (name: string) => Promise<Person> }>({
  // biome-ignore lint/correctness/noEmptyPattern: the test runner asks for a pattern
  world: async ({}, use) => {
    const world = await World.start();
    await use(world);
    await world.stop();
  },
  person: async ({ world, launchOptions, locale }, use) => {
    const people: Person[] = [];
    await use(async (name) => {
      const one = await person(world, name, launchOptions, locale);
      people.push(one);
      return one;
    });
    for (const one of people) await one.close();
  },
});

const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;

function report(what: string, seconds: number, ...people: [string, Person][]): void {
  console.log(`${what}: ${MIB} MiB in ${seconds.toFixed(0)} s, ${(MIB / seconds).toFixed(0)} MiB/s`);
  for (const [name, { memory }] of people) {
    const { own, resident } = memory();
    console.log(`  ${name} held at most ${mib(own)} (${mib(resident)} with the browser's program)`);
    expect(own).toBeLessThan(MAX_PAGE_BYTES);
  }
}

test("page to page", async ({ world, person }) => {
  const alice = await person("alice");
  await setUp(alice.page, world);
  const bob = await person("bob");
  await join(bob.page, await invitation(alice.page), "bob");
  const source = path.join(world.folder, "film.mkv");
  const hash = await randomFile(source, MIB);
  await expect(alice.page.getByRole("listitem", { name: "bob" })).toContainText("Online");
  await pick(alice.page, "Send files", source);
  const saved = bob.page.waitForEvent("download", { timeout: 0 });
  const start = performance.now();
  await bob.page.getByRole("button", { name: "Accept" }).click();
  await expect(bob.page.getByText("BLAKE3 verified")).toBeVisible({ timeout: 0 });
  report("page to page", (performance.now() - start) / 1000, ["the sender's page", alice], ["the receiver's", bob]);
  expect(await blake3(await (await saved).path())).toBe(hash);
});

test("page to machine", async ({ world, person }) => {
  const alice = await person("alice");
  await setUp(alice.page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "share:file");
  const source = path.join(world.folder, "film.mkv");
  const hash = await randomFile(source, MIB);
  const start = performance.now();
  await pick(alice.page, `Send a file to ${hostname()}`, source);
  await expect(alice.page.getByText("BLAKE3 verified")).toBeVisible({ timeout: 0 });
  report("page to machine", (performance.now() - start) / 1000, ["the page", alice]);
  expect(await blake3(path.join(agent.downloads, "film.mkv"))).toBe(hash);
});

test("machine to page", async ({ world, person }) => {
  const alice = await person("alice");
  await setUp(alice.page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"));
  const source = path.join(world.folder, "film.mkv");
  const hash = await randomFile(source, MIB);
  agent.run("send", source, "--to", "Home");
  const saved = alice.page.waitForEvent("download", { timeout: 0 });
  const start = performance.now();
  await alice.page.getByRole("button", { name: "Accept" }).click({ timeout: 120_000 });
  await expect(alice.page.getByText("BLAKE3 verified")).toBeVisible({ timeout: 0 });
  report("machine to page", (performance.now() - start) / 1000, ["the page", alice]);
  expect(await blake3(await (await saved).path())).toBe(hash);
});

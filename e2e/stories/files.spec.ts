import { readdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { expect } from "@playwright/test";
import { blake3, pick, randomFile } from "../lib/files.ts";
import { setUp, somebody, test } from "../lib/world.ts";

test("64 MiB from a machine to the page, hash equal", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"));
  const source = path.join(world.folder, "holiday.bin");
  const hash = await randomFile(source, 64);

  const sending = agent.run("send", source, "--to", "Home");
  const offer = page.getByRole("region", { name: "Incoming file: holiday.bin" });
  await expect(offer).toContainText(/67\.1 MB|64(\.0)? MiB/);
  const saved = page.waitForEvent("download");
  await offer.getByRole("button", { name: "Accept" }).click();
  const card = page.getByRole("listitem", { name: "holiday.bin" });
  await expect(card.getByText("BLAKE3 verified")).toBeVisible({ timeout: 60_000 });
  await expect(card.getByText(/^Direct/)).toBeVisible();
  await expect(card.getByTestId("transfer-hash")).toHaveAttribute("data-hash", hash);

  const file = path.join(world.folder, "saved.bin");
  await (await saved).saveAs(file);
  expect(await blake3(file)).toBe(hash);
  await sending.until(new RegExp(`BLAKE3 ${hash} verified by`));
  expect(await sending.exit).toBe(0);
});

test("a file dropped on the page reaches the machine", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "share:file");
  await expect(page.getByRole("listitem", { name: hostname() })).toBeVisible();

  const dropped = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["dropped, not chosen"], "note.txt", { type: "text/plain" }));
    return transfer;
  });
  for (const type of ["dragenter", "dragover", "drop"]) {
    await page.getByRole("main").dispatchEvent(type, { dataTransfer: dropped });
  }
  await expect(page.getByRole("listitem", { name: "note.txt" }).getByText("BLAKE3 verified")).toBeVisible();
  expect(await readFile(path.join(agent.downloads, "note.txt"), "utf8")).toBe("dropped, not chosen");
});

test("64 MiB from the page, into the machine's download folder, hash equal", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "share:file");
  const source = path.join(world.folder, "report.bin");
  const hash = await randomFile(source, 64);

  await pick(page, `Send a file to ${hostname()}`, source);
  const card = page.getByRole("listitem", { name: "report.bin" });
  await expect(card.getByText("BLAKE3 verified")).toBeVisible({ timeout: 60_000 });

  expect(await blake3(path.join(agent.downloads, "report.bin"))).toBe(hash);
  expect(await readdir(agent.downloads)).toEqual(["report.bin"]);
});

test("a receiver that disappears leaves no half-written file under the final name", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "share:file");
  const source = path.join(world.folder, "large.bin");
  await randomFile(source, 256);

  await pick(page, `Send a file to ${hostname()}`, source);
  await expect(page.getByTestId("transfer-rate")).toBeVisible({ timeout: 60_000 });
  await page.context().close();
  await agent.program.until(/was lost .* goes on from there/);
  expect(await readdir(agent.downloads)).not.toContain("large.bin");
});

import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { expect } from "@playwright/test";
import { blake3, pick, randomFile } from "../lib/files.ts";
import { setUp, somebody, test } from "../lib/world.ts";

/** The smallest image that there is. */
const DOT = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

test("a folder of a machine is browsed, changes live, previewed, downloaded with its hash, and taken back", async ({
  browser,
  world,
}) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"));
  const folder = path.join(world.folder, "photos");
  await mkdir(path.join(folder, "summer"), { recursive: true });
  await writeFile(path.join(folder, "note.txt"), "what it says <b>here</b>");
  await writeFile(path.join(folder, "page.html"), "<script>document.title = 'run'</script>");
  await writeFile(path.join(folder, "summer", "dot.png"), DOT);
  const hash = await randomFile(path.join(folder, "summer", "film.bin"), 16);

  const sharing = agent.run("share", "folder", folder, "--drop");
  await sharing.until(/is shared in Home/);
  await page.getByRole("button", { name: "Open the folder photos" }).click();
  const pane = page.getByRole("dialog", { name: "photos" });
  await expect(pane.getByRole("row", { name: /note\.txt/ })).toBeVisible();

  // A change at the owner's disk shows by itself.
  await writeFile(path.join(folder, "new.txt"), "just written");
  await expect(pane.getByRole("row", { name: /new\.txt/ })).toBeVisible();

  await pane.getByRole("button", { name: "note.txt", exact: true }).click();
  const text = page.getByRole("dialog", { name: "note.txt" });
  await expect(text.getByText("what it says <b>here</b>")).toBeVisible();
  await text.getByRole("button", { name: "Close the preview" }).click();
  await pane.getByRole("button", { name: "page.html", exact: true }).click();
  await expect(page.getByText("This file cannot be shown here. Download it instead.")).toBeVisible();
  await page.getByRole("button", { name: "Close the preview" }).click();

  await pane.getByRole("searchbox").fill("DOT");
  await pane.getByRole("button", { name: "summer/dot.png", exact: true }).click();
  const image = page.getByRole("img", { name: "dot.png" });
  await expect(image).toBeVisible();
  expect(await image.evaluate((shown: HTMLImageElement) => shown.naturalWidth)).toBe(1);
  await page.getByRole("button", { name: "Close the preview" }).click();
  await pane.getByRole("searchbox").fill("");

  await pane.getByRole("button", { name: "Folder summer", exact: true }).click();
  const saved = page.waitForEvent("download");
  await pane.getByRole("button", { name: "Download film.bin" }).click();
  const move = pane.getByRole("listitem", { name: "film.bin" });
  await expect(move.getByText("BLAKE3 verified")).toBeVisible({ timeout: 60_000 });
  await expect(move.getByTestId("folder-move")).toHaveAttribute("data-hash", hash);
  const file = path.join(world.folder, "film.bin");
  await (await saved).saveAs(file);
  expect(await blake3(file)).toBe(hash);

  const source = path.join(world.folder, "mine.bin");
  const mine = await randomFile(source, 2);
  await pick(pane, "Put files here", source);
  await sharing.until(new RegExp(`BLAKE3 ${mine} verified`));
  await expect(pane.getByRole("button", { name: "mine.bin", exact: true })).toBeVisible();
  expect(await blake3(path.join(folder, "summer", "mine.bin"))).toBe(mine);

  const stopped = agent.run("stop", "photos");
  expect(await stopped.exit).toBe(0);
  await expect(pane.getByText("Its owner stopped sharing.")).toBeVisible();
  await pane.getByRole("button", { name: "Close the folder" }).click();
  await expect(page.getByRole("button", { name: "Open the folder photos" })).toBeHidden();
});

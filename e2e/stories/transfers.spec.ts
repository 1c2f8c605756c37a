/** Files between pages: folders, a part of an offer, pausing, what is lost and goes on, the tray. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, expect, type Page } from "@playwright/test";
import { blake3, pick, randomFile } from "../lib/files.ts";
import { invitation, join } from "../lib/people.ts";
import { setUp, somebody, test, type World } from "../lib/world.ts";

/** Alice and Bob, each with a page, in one room. */
async function two(browser: Browser, world: World): Promise<{ alice: Page; bob: Page }> {
  const alice = await somebody(browser);
  await setUp(alice, world);
  const bob = await somebody(browser);
  await join(bob, await invitation(alice), "bob");
  await expect(alice.getByRole("listitem", { name: "bob" })).toContainText("Online");
  return { alice, bob };
}

/** A folder that the system's dialog would give: one of the browser's own, which this page can be asked about afterwards. */
async function folderDialogGives(page: Page, name: string): Promise<void> {
  await page.evaluate((folder) => {
    Object.assign(window, {
      showDirectoryPicker: async () => (await navigator.storage.getDirectory()).getDirectoryHandle(folder, { create: true }),
    });
  }, name);
}

/** Every file in that folder with its text. */
function folderOf(page: Page, name: string): Promise<Record<string, string>> {
  return page.evaluate(async (folder) => {
    const found: Record<string, string> = {};
    const walk = async (at: FileSystemDirectoryHandle, before: string): Promise<void> => {
      for await (const [entry, handle] of (at as unknown as { entries(): AsyncIterable<[string, FileSystemHandle]> }).entries()) {
        if (handle.kind === "directory") await walk(handle as FileSystemDirectoryHandle, `${before}${entry}/`);
        else found[before + entry] = await (await (handle as FileSystemFileHandle).getFile()).text();
      }
    };
    await walk(await (await navigator.storage.getDirectory()).getDirectoryHandle(folder), "");
    return found;
  }, name);
}

interface Watched {
  links: RTCPeerConnection[];
  received: number;
}

/** From the next load on, this page's connections are known to the test, and the bytes that came over them. */
async function watchLinks(page: Page): Promise<void> {
  await page.context().addInitScript(() => {
    const watched: Watched = Object.assign(window, { links: [], received: 0 });
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        watched.links.push(this);
        this.addEventListener("datachannel", ({ channel }) =>
          channel.addEventListener("message", ({ data }) => {
            watched.received += (data as ArrayBuffer).byteLength;
          }),
        );
      }
    };
  });
}

const ofWindow = <T>(page: Page, run: (watched: Watched) => T): Promise<T> =>
  page.evaluate(`(${run})(window)`) as Promise<T>;

test("a folder goes from page to page with its structure, but for what Bob does not want", async ({ browser, world }) => {
  const { alice, bob } = await two(browser, world);
  const holiday = path.join(world.folder, "holiday");
  await mkdir(path.join(holiday, "beach", "day 2"), { recursive: true });
  await writeFile(path.join(holiday, "plan.txt"), "swim");
  await writeFile(path.join(holiday, "beach", "sand.txt"), "warm");
  await writeFile(path.join(holiday, "beach", "day 2", "rain.txt"), "wet");
  await pick(alice, "Send a folder", holiday);

  const offer = bob.getByRole("region", { name: "Incoming file: holiday" });
  await expect(offer).toContainText("3 files");
  await expect(offer).toContainText(/open for \d+ min/);
  await expect(offer).toContainText("You choose where it goes");
  await offer.getByRole("button", { name: "Choose files" }).click();
  await expect(offer.getByRole("checkbox", { name: "beach/" })).toBeChecked();
  await offer.getByRole("checkbox", { name: "sand.txt" }).uncheck();
  await folderDialogGives(bob, "chosen");
  await offer.getByRole("button", { name: "Accept" }).click();

  await expect(bob.getByRole("listitem", { name: "holiday" })).toContainText("1 file not wanted");
  await expect(alice.getByRole("listitem", { name: "holiday" })).toContainText("Delivered · 1 file not wanted");
  expect(await folderOf(bob, "chosen")).toEqual({ "holiday/plan.txt": "swim", "holiday/beach/day 2/rain.txt": "wet" });
});

test("Bob pauses, Alice sees it, and it goes on; then the tray follows Bob through the app", async ({ browser, world }) => {
  const { alice, bob } = await two(browser, world);
  const source = path.join(world.folder, "large.bin");
  const hash = await randomFile(source, 192);
  await pick(alice, "Send files", source);
  const saved = bob.waitForEvent("download");
  await bob.getByRole("button", { name: "Accept" }).click();
  await bob.getByRole("button", { name: "Pause large.bin" }).click();
  await expect(alice.getByRole("listitem", { name: "large.bin" })).toContainText("Paused by the other side");

  const room = bob.url();
  await bob.getByRole("link", { name: "Settings" }).click();
  await bob.getByRole("button", { name: /^1 transfer/ }).click();
  const tray = bob.getByRole("dialog");
  await expect(tray.getByRole("listitem", { name: "large.bin" })).toContainText("Paused");
  await tray.getByRole("button", { name: "Resume large.bin" }).click();
  await expect(tray.getByText("BLAKE3 verified")).toBeVisible({ timeout: 60_000 });
  await expect(bob.getByRole("list", { name: "Finished" })).toContainText("large.bin was received.");
  const file = path.join(world.folder, "saved.bin");
  await (await saved).saveAs(file);
  expect(await blake3(file)).toBe(hash);

  // What is over is remembered, over a reload too, until that is cleared as well.
  await tray.getByRole("button", { name: "Clear finished" }).click();
  const earlier = tray.getByRole("list", { name: "Earlier" });
  await expect(tray.getByRole("listitem")).toHaveCount(1);
  await expect(earlier.getByRole("listitem")).toContainText(/large\.binfrom alice · 201 MBReceived · Today/);
  await bob.goto(room);
  const remembered = bob.getByRole("list", { name: "Earlier" });
  await expect(remembered.getByText("large.bin")).toBeVisible();
  expect(await hurdles(bob)).toEqual([]);
  await bob.setViewportSize({ width: 360, height: 740 });
  await bob.getByRole("navigation").getByRole("button", { name: "Files" }).click();
  await expect(remembered.getByText("large.bin")).toBeVisible();
  expect(await hurdles(bob)).toEqual([]);
  expect(await bob.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  await bob.getByRole("button", { name: "Clear history" }).click();
  await expect(remembered).toBeHidden();
  await bob.setViewportSize({ width: 1280, height: 800 });
  await bob.reload();
  await expect(bob.getByText("None yet.")).toBeVisible();
  await expect(remembered).toBeHidden();
});

test("a page that is loaded anew in the middle goes on from what it has", async ({ browser, world }) => {
  const { alice, bob } = await two(browser, world);
  await watchLinks(bob);
  const source = path.join(world.folder, "large.bin");
  const hash = await randomFile(source, 192);
  await pick(alice, "Send files", source);
  await bob.getByRole("button", { name: "Accept" }).click();
  const card = bob.getByRole("listitem", { name: "large.bin" });
  await expect(card.getByText(/^([3-9]\d) %/)).toBeVisible({ timeout: 60_000 });

  // Leaving asks first, while something would be lost.
  bob.once("dialog", (dialog) => void dialog.accept());
  await bob.reload();
  await expect(alice.getByRole("listitem", { name: "large.bin" })).toContainText(/lost|accepted/);

  // Alice's page finds Bob's new one by itself; Bob is asked anew.
  const saved = bob.waitForEvent("download");
  await bob.getByRole("button", { name: "Accept" }).click();
  await expect(card.getByText("BLAKE3 verified")).toBeVisible({ timeout: 60_000 });
  const received = await ofWindow(bob, (watched) => watched.received);
  console.log(`after the reload ${(received / 2 ** 20).toFixed(0)} of 192 MiB came over the connection`);
  expect(received).toBeGreaterThan(0);
  expect(received).toBeLessThan(140 * 2 ** 20);
  const file = path.join(world.folder, "saved.bin");
  await (await saved).saveAs(file);
  expect(await blake3(file)).toBe(hash);
});

test("a connection that is cut is made again, and nobody is asked twice", async ({ browser, world }) => {
  const { alice, bob } = await two(browser, world);
  await watchLinks(alice);
  await alice.reload();
  await expect(alice.getByRole("listitem", { name: "bob" })).toContainText("Online");
  const source = path.join(world.folder, "large.bin");
  const hash = await randomFile(source, 192);
  await pick(alice, "Send files", source);
  const saved = bob.waitForEvent("download");
  await bob.getByRole("button", { name: "Accept" }).click();
  const card = bob.getByRole("listitem", { name: "large.bin" });
  await expect(card.getByText(/^([3-9]\d) %/)).toBeVisible({ timeout: 60_000 });
  await ofWindow(alice, (watched) => {
    for (const link of watched.links) link.close();
  });
  await expect(card.getByText("BLAKE3 verified")).toBeVisible({ timeout: 60_000 });
  await expect(alice.getByRole("listitem", { name: "large.bin" })).toContainText("Delivered");
  const file = path.join(world.folder, "saved.bin");
  await (await saved).saveAs(file);
  expect(await blake3(file)).toBe(hash);
});

test("an offer is declined with a reason, offered again, and called off", async ({ browser, world }) => {
  const { alice, bob } = await two(browser, world);
  const source = path.join(world.folder, "note.txt");
  await writeFile(source, "hello");
  await pick(alice, "Send files", source);
  const offer = bob.getByRole("region", { name: "Incoming file: note.txt" });
  await expect(offer).toContainText(/has room for/);
  await offer.getByRole("button", { name: "Say why not" }).click();
  await bob.getByRole("menuitem", { name: "Not now: I am busy" }).click();
  await expect(offer).toBeHidden();
  const card = alice.getByRole("listitem", { name: "note.txt" });
  await expect(card).toContainText("The other side is busy. Try again later.");

  await card.getByRole("button", { name: "Offer note.txt again" }).click();
  await expect(offer).toBeVisible();
  await card.getByRole("button", { name: "Cancel note.txt" }).click();
  await expect(offer).toBeHidden();
  await expect(bob.getByRole("listitem", { name: "note.txt" })).toContainText("It was called off.");
});

test("a dropped folder and pasted files are sent, and empty folders are said to be left out", async ({ browser, world }) => {
  const { alice, bob } = await two(browser, world);
  // A folder can be dropped by a real drag only; the browser's own folders stand in, by the same interface.
  const dropped = await alice.evaluateHandle(() => {
    const file = (name: string, path: string) => ({
      isFile: true,
      isDirectory: false,
      fullPath: path,
      file: (take: (file: File) => void) => take(new File([name], name)),
    });
    const folder = (path: string, inside: unknown[]) => ({
      isFile: false,
      isDirectory: true,
      fullPath: path,
      createReader: () => ({ readEntries: (take: (entries: unknown[]) => void) => take(inside.splice(0, 100)) }),
    });
    const many = Array.from({ length: 120 }, (_, at) => file(`${at}.txt`, `/album/${at}.txt`));
    const entry = folder("/album", [...many, folder("/album/empty", [])]);
    const transfer = new DataTransfer();
    transfer.items.add(new File([""], "album"));
    DataTransferItem.prototype.webkitGetAsEntry = () => entry as unknown as FileSystemEntry;
    return transfer;
  });
  for (const type of ["dragenter", "dragover", "drop"]) {
    await alice.getByRole("main").dispatchEvent(type, { dataTransfer: dropped });
  }
  await expect(alice.getByText("Empty folders are left out: 1.")).toBeVisible();
  const offer = bob.getByRole("region", { name: "Incoming file: album" });
  await expect(offer).toContainText("120 files");
  await offer.getByRole("button", { name: "Choose files" }).click();
  await expect(offer.getByRole("checkbox", { name: "and 20 more files" })).toBeChecked();
  await offer.getByRole("checkbox", { name: "album/" }).uncheck();
  await folderDialogGives(bob, "chosen");
  await offer.getByRole("button", { name: "Accept" }).click();
  await expect(bob.getByRole("listitem", { name: "album" })).toContainText("100 files not wanted");
  expect(Object.keys(await folderOf(bob, "chosen")).sort()[0]).toBe("album/100.txt");

  const pasted = await alice.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["pasted"], "shot.png", { type: "image/png" }));
    return transfer;
  });
  const saved = bob.waitForEvent("download");
  await alice.getByRole("textbox", { name: "Message" }).evaluate((field, data) => {
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  }, pasted);
  await bob.getByRole("region", { name: "Incoming file: shot.png" }).getByRole("button", { name: "Accept" }).click();
  expect(await readFile(await (await saved).path(), "utf8")).toBe("pasted");
});

test("a sender's page that is loaded anew asks for the same file, and nobody else is asked again", async ({ browser, world }) => {
  const { alice, bob } = await two(browser, world);
  const source = path.join(world.folder, "large.bin");
  const other = path.join(world.folder, "other.bin");
  const hash = await randomFile(source, 128);
  await randomFile(other, 1);
  await pick(alice, "Send files", source);
  const saved = bob.waitForEvent("download");
  await bob.getByRole("button", { name: "Accept" }).click();
  const card = bob.getByRole("listitem", { name: "large.bin" });
  await expect(card.getByText(/^([3-9]\d) %/)).toBeVisible({ timeout: 60_000 });
  alice.once("dialog", (dialog) => void dialog.accept());
  await alice.reload();
  await expect(card).toContainText("The connection was lost");

  const mine = alice.getByRole("listitem", { name: "large.bin" });
  await expect(mine).toContainText("Choose the same files again");
  await expect(alice.getByRole("listitem", { name: "bob" })).toContainText("Online");
  await mine.getByLabel("The files of large.bin").setInputFiles(other);
  await expect(mine).toContainText("These are not the same files");
  await mine.getByLabel("The files of large.bin").setInputFiles(source);
  await expect(card.getByText("BLAKE3 verified")).toBeVisible({ timeout: 60_000 });
  const file = path.join(world.folder, "saved.bin");
  await (await saved).saveAs(file);
  expect(await blake3(file)).toBe(hash);
});

/** What the checker finds against WCAG 2.1 AA, as sentences. */
async function hurdles(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]).analyze();
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`));
}

for (const look of [
  { name: "on a desktop", viewport: { width: 1280, height: 800 }, colorScheme: "light" as const, locale: "en-GB" },
  { name: "on a phone, dark, in French", viewport: { width: 360, height: 740 }, colorScheme: "dark" as const, locale: "fr-FR" },
]) {
  test(`an offer and the transfers are within everybody's reach ${look.name}`, async ({ browser, world }) => {
    const alice = await somebody(browser);
    await setUp(alice, world);
    const bob = await somebody(browser, { ...look, reducedMotion: "reduce" });
    await bob.goto(await world.link("alice"));
    await expect(bob.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
    const folder = path.join(world.folder, "holiday");
    await mkdir(path.join(folder, "beach"), { recursive: true });
    await writeFile(path.join(folder, "a plan with a name that is rather long for a telephone.txt"), "swim");
    await writeFile(path.join(folder, "beach", "sand.txt"), "warm");
    await pick(alice, "Send a folder", folder);

    const offer = bob.getByRole("region", { name: /holiday/ });
    await offer.getByRole("button", { name: /Choose files|Choisir les fichiers/ }).click();
    await expect(offer.getByRole("checkbox")).toHaveCount(4);
    expect(await hurdles(bob)).toEqual([]);
    const reach = await bob.evaluate(() => document.documentElement.scrollWidth);
    expect(reach).toBeLessThanOrEqual(look.viewport.width);
    for (const button of await offer.getByRole("button").all()) {
      const box = await button.boundingBox();
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(look.viewport.width);
    }

    // By keyboard alone.
    await folderDialogGives(bob, "chosen");
    await offer.getByRole("button", { name: /^Acce/ }).focus();
    await bob.keyboard.press("Enter");
    await expect(bob.getByRole("list", { name: /Finished|Terminés/ })).toContainText("holiday");
    if (look.viewport.width < 500) await bob.getByRole("navigation").getByRole("button", { name: "Fichiers" }).click();
    await expect(bob.getByRole("listitem", { name: "holiday" })).toBeVisible();
    expect(await hurdles(bob)).toEqual([]);
  });
}

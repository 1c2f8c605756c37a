import { mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { type Browser, type BrowserContextOptions, expect, type Page } from "@playwright/test";
import { pick } from "../lib/files.ts";
import { invitation, join } from "../lib/people.ts";
import { TerminalOnPage } from "../lib/terminal.ts";
import { type Agent, setUp, somebody, test, type World } from "../lib/world.ts";

const ALLOWED = ["--allow", "terminal:view", "--allow", "terminal:control"];

/** A page, a machine that answers by itself, and its terminal open on the page. */
async function watching(
  browser: Browser,
  world: World,
  options: BrowserContextOptions = {},
  before: (page: Page) => Promise<void> = async () => {},
): Promise<{ page: Page; agent: Agent; terminal: TerminalOnPage }> {
  const page = await somebody(browser, options);
  await before(page);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), ...ALLOWED);
  if (options.isMobile) await page.getByRole("button", { name: "People" }).click();
  const terminal = await open(page);
  return { page, agent, terminal };
}

async function open(page: Page): Promise<TerminalOnPage> {
  await page.getByRole("button", { name: "Terminal", exact: true }).click();
  const terminal = new TerminalOnPage(page, hostname());
  await terminal.readAloud();
  await expect(terminal.text).toContainText(/[$#]/);
  return terminal;
}

test("a text is found in older lines, an address is confirmed before it opens, and what is selected is copied", async ({ browser, world }) => {
  const { page, terminal } = await watching(browser, world, { permissions: ["clipboard-read", "clipboard-write"] });
  await terminal.takeControl();
  await terminal.type("seq 1000 1200\n");
  await expect(terminal.line("1200")).toBeVisible();
  await expect(terminal.line("1042")).toHaveCount(0);

  await page.keyboard.press("Control+f");
  const search = terminal.region.getByRole("search");
  const field = search.getByRole("textbox", { name: "Search in the terminal" });
  await expect(field).toBeFocused();
  await field.fill("1042");
  await expect(search.getByRole("status")).toHaveText("1 of 1");
  await expect(terminal.line("1042")).toBeVisible();
  await field.fill("104");
  await expect(search.getByRole("status")).toHaveText("11 of 11");
  await page.keyboard.press("Enter");
  await expect(search.getByRole("status")).toHaveText("10 of 11");
  await search.getByRole("button", { name: "Next find" }).click();
  await expect(search.getByRole("status")).toHaveText("11 of 11");
  await field.fill("not there");
  await expect(search.getByRole("status")).toHaveText("Nothing found");
  await field.press("Escape");
  await expect(search).toHaveCount(0);
  await expect(terminal.input).toBeFocused();
  // By the menu, too, and the field has the focus.
  await page.getByRole("button", { name: "More about this terminal" }).click();
  await page.getByRole("menuitem", { name: "Search" }).click();
  await expect(field).toBeFocused();
  await field.press("Escape");

  await terminal.type("clear; printf '\\033]0;my \\342\\200\\256build\\007'; echo https://example.org/a?b=c; sleep 0\n");
  await expect(terminal.line("https://example.org/a\\?b=c")).toBeVisible();
  await expect(terminal.region.getByTitle("my build", { exact: true })).toBeVisible();
  await terminal.click(5, 0);
  const dialog = page.getByRole("dialog", { name: "Open this address?" });
  await expect(dialog.getByText("https://example.org/a?b=c")).toBeVisible();
  const away = dialog.getByRole("link", { name: "Open in a new tab" });
  await expect(away).toHaveAttribute("rel", /noopener/);
  await expect(away).toHaveAttribute("href", "https://example.org/a?b=c");
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await expect(page.locator(".mantine-Modal-overlay")).toHaveCount(0);

  // Dragged over, the same address is selected and not followed.
  await terminal.drag([0, 0], [19, 0]);
  await page.keyboard.press("Control+Shift+C");
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe("https://example.org");
});

test("two watch, control goes from one to the other, and each sees who has it", async ({ browser, world }) => {
  const { page: alice, terminal: hers } = await watching(browser, world);
  const bob = await somebody(browser);
  await join(bob, await invitation(alice), "bob");
  const his = await open(bob);
  await expect(his.region.getByText("2 viewers")).toBeVisible();

  await hers.takeControl();
  await expect(his.region.getByText(/^View only · alice .* is in control$/)).toBeVisible();
  await hers.type("echo from-$((1+1))-alice\n");
  await expect(his.line("from-2-alice")).toBeVisible();

  // This machine gives control to whoever asks: it goes over at once, and there is one who has it.
  await his.takeControl();
  await expect(hers.region.getByText(/^View only · bob .* is in control$/)).toBeVisible();
  await hers.type("never-typed");
  await his.type("echo from-$((1+2))-bob\n");
  await expect(hers.line("from-3-bob")).toBeVisible();
  await expect(hers.text).not.toContainText("never-typed");
  await bob.getByRole("button", { name: "Give back control" }).click();
  await expect(his.region.getByText("View only", { exact: true })).toBeVisible();
  await expect(hers.region.getByText("View only · your control has ended")).toBeVisible();
  await his.takeControl();

  // Who holds control may ask for a size; the host says which it is.
  await bob.getByRole("button", { name: "More about this terminal" }).click();
  await bob.getByRole("menuitemcheckbox", { name: "Fit the shell to my window" }).click();
  await expect(hers.region.getByLabel("Size in characters")).not.toHaveText("80×24");
  await his.type("exit 3\n");
  await expect(hers.region.getByText("The shell has ended with code 3")).toBeVisible();
  await hers.region.getByRole("button", { name: "Open again" }).click();
  await expect(hers.region.getByText("View only", { exact: true })).toBeVisible();
});

test("a page that is loaded anew goes on with the terminal that it showed, and so does one whose machine was away", async ({
  browser,
  world,
}) => {
  const { page, agent, terminal } = await watching(browser, world);
  await terminal.takeControl();
  await terminal.type("echo before-$((6*7))\n");
  await expect(terminal.line("before-42")).toBeVisible();

  await page.reload();
  await expect(terminal.region.getByText("View only", { exact: true })).toBeVisible();
  // Screen reader mode was remembered, too.
  await expect(terminal.line("before-42")).toBeVisible();

  // Without a word: the page has to notice by itself.
  await agent.program.stop("SIGKILL");
  await expect(terminal.region.getByText(/This is the last that was seen/)).toBeVisible({ timeout: 60_000 });
  await expect(terminal.line("before-42")).toBeVisible();
  await agent.up(...ALLOWED);
  await expect(terminal.region.getByText("View only", { exact: true })).toBeVisible();
  await expect(terminal.text).toContainText(/[$#]/);
  await expect(terminal.text).not.toContainText("before-42");
});

test("on a phone of 360 pixels the bar has the keys that its keyboard lacks", async ({ browser, world }) => {
  const { page, terminal } = await watching(browser, world, {
    viewport: { width: 360, height: 740 },
    isMobile: true,
    hasTouch: true,
  });
  await terminal.takeControl();
  const bar = terminal.region.getByRole("toolbar", { name: "Keys" });
  for (const key of await bar.getByRole("button").all()) {
    const box = await key.boundingBox();
    expect(box && Math.min(box.width, box.height), await key.innerText()).toBeGreaterThanOrEqual(44);
  }
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);

  await terminal.type("cat -v\n");
  await bar.getByRole("button", { name: "Arrow up" }).tap();
  await bar.getByRole("button", { name: "Alt" }).tap();
  await expect(bar.getByRole("button", { name: "Alt" })).toHaveAttribute("aria-pressed", "true");
  await page.keyboard.type("x");
  await expect(bar.getByRole("button", { name: "Alt" })).toHaveAttribute("aria-pressed", "false");
  await page.keyboard.type("y");
  const ctrl = bar.getByRole("button", { name: /^Ctrl/ });
  await ctrl.dispatchEvent("click");
  await ctrl.dispatchEvent("click");
  await expect(ctrl).toHaveAccessibleName("Ctrl, locked");
  await bar.getByRole("button", { name: "Arrow left" }).tap();
  await bar.getByRole("button", { name: "Page down" }).tap();
  await page.keyboard.type("g");
  await ctrl.tap();
  await page.keyboard.type("z\n");
  await expect(terminal.text).toContainText("^[[A^[xy^[[1;5D^[[6;5~^Gz");
  await ctrl.tap();
  await page.keyboard.type("c");
  await terminal.type("echo $((6*7))\n");
  await expect(terminal.line("42")).toBeVisible();
});

for (const colorScheme of ["light", "dark"] as const)
  test(`the terminal has no violation of accessibility rules, ${colorScheme}`, async ({ browser, world }) => {
    const { page, terminal } = await watching(browser, world, { colorScheme, reducedMotion: "reduce" });
    await terminal.takeControl();
    await page.keyboard.press("Control+f");
    await expect(terminal.region.getByRole("search")).toBeVisible();
    const found = await new AxeBuilder({ page }).include("section[aria-label^='Terminal of']").analyze();
    expect(found.violations).toEqual([]);
    await page.getByRole("button", { name: "More about this terminal" }).click();
    await expect(page.getByRole("menuitem", { name: "Full screen" })).toBeVisible();
    const menu = await new AxeBuilder({ page }).include("[role=menu]").analyze();
    expect(menu.violations).toEqual([]);
  });

test("the terminal takes the whole screen and gives it back", async ({ browser, world }) => {
  const { page, terminal } = await watching(browser, world);
  await page.getByRole("button", { name: "More about this terminal" }).click();
  await page.getByRole("menuitem", { name: "Full screen" }).click();
  await expect.poll(() => terminal.region.evaluate((pane) => pane.getBoundingClientRect().width === innerWidth)).toBe(true);
  await expect.poll(() => page.evaluate(() => document.fullscreenElement !== null)).toBe(true);
  await page.getByRole("button", { name: "More about this terminal" }).click();
  await page.getByRole("menuitem", { name: "Leave the full screen" }).click();
  await expect.poll(() => terminal.region.evaluate((pane) => pane.getBoundingClientRect().width < innerWidth)).toBe(true);
  await expect.poll(() => page.evaluate(() => document.fullscreenElement)).toBeNull();
});

/** What this page sends takes so long from now on, and the browser says so. */
async function slowPath(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const delayMs = 250;
    const { send } = RTCDataChannel.prototype;
    RTCDataChannel.prototype.send = function (this: RTCDataChannel, data: never) {
      setTimeout(() => {
        if (this.readyState === "open") send.call(this, data);
      }, delayMs);
    };
    const { getStats } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.getStats = async function (this: RTCPeerConnection) {
      const told = new Map<string, Record<string, unknown>>();
      (await getStats.call(this)).forEach((report: Record<string, unknown>, id: string) => {
        told.set(id, "currentRoundTripTime" in report ? { ...report, currentRoundTripTime: delayMs / 1000 } : report);
      });
      return told;
    } as never;
    // Counts the letters that were ever shown before their echo.
    (window as unknown as { predicted: string }).predicted = "";
    new MutationObserver((changes) => {
      for (const { target } of changes)
        if (target instanceof Element && target.matches(".mesh-echo, .xterm-decoration"))
          (window as unknown as { predicted: string }).predicted += target.textContent;
    }).observe(document, { subtree: true, childList: true });
  });
}

test("on a slow path what is typed shows at once, marked, and a password never", async ({ browser, world }) => {
  const { page, terminal } = await watching(browser, world, {}, slowPath);
  const predicted = () => page.evaluate(() => (window as unknown as { predicted: string }).predicted);
  await expect(terminal.region.getByText(/250 ms/)).toBeVisible();
  await terminal.takeControl();
  await terminal.type("e");
  await expect(terminal.text).toContainText(/[$#] e\s*$/);
  expect(await predicted()).toBe("");

  await terminal.type("cho");
  await expect.poll(predicted).toContain("cho");
  await expect(terminal.text).toContainText(/[$#] echo/);
  await expect(terminal.region.locator(".mesh-echo")).toHaveCount(0);

  await terminal.type(" ok; stty -echo; printf 'Pass''word: '; read -r secret; stty echo\n");
  await expect(terminal.text).toContainText("Password:");
  await terminal.type("h");
  await page.evaluate(() => {
    (window as unknown as { predicted: string }).predicted = "";
  });
  await terminal.type("unter2\n");
  await terminal.type("echo the-secret-is-${#secret}\n");
  await expect(terminal.line("the-secret-is-7")).toBeVisible();
  expect(await predicted()).not.toMatch(/[hunter2]{3}/);
});

const CAST = [
  '{"version":2,"width":60,"height":10,"timestamp":1763900000,"title":"The nightly backup"}',
  '[0.1,"o","$ backup\\r\\n"]',
  '[0.3,"o","\\u001b[32mfirst half done\\u001b[0m\\r\\n"]',
  '[0.4,"m","paused"]',
  '[300.4,"o","\\u001b]52;c;aGFjaw==\\u0007second half done\\r\\n"]',
  "",
].join("\n");

test("a recording is played from a shared folder and from the disk, and stops where its owner paused", async ({ browser, world }) => {
  const { page, agent } = await watching(browser, world, { permissions: ["clipboard-read", "clipboard-write"] });
  const folder = path.join(world.folder, "records");
  await mkdir(folder);
  // Longer than a preview of text may be.
  const long = Array.from({ length: 2_000 }, (_, i) => `[${0.2 + i / 20_000},"o","line ${i} of the listing, which is long\\r\\n"]\n`);
  await writeFile(path.join(folder, "night.cast"), CAST.replace('[0.3,"o"', `${long.join("")}[0.3,"o"`));
  await agent.run("share", "folder", folder).until(/is shared in Home/);
  await page.evaluate(() => navigator.clipboard.writeText("mine"));
  await page.getByRole("button", { name: "Open the folder records" }).click();
  await page.getByRole("button", { name: "night.cast", exact: true }).click();
  const recording = page.getByRole("region", { name: "Recording" });
  await expect(recording.getByText("The nightly backup")).toBeVisible();
  await expect(recording.getByRole("status").first()).toHaveText("Its owner paused the sharing here.");
  const screen = recording.locator(".xterm-accessibility-tree");
  await expect(screen).toContainText("first half done");
  await expect(screen).not.toContainText("second half");
  await recording.getByRole("button", { name: "Play" }).click();
  await expect(screen).toContainText("second half done");
  await expect(recording.getByRole("button", { name: "Play" })).toBeVisible();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe("mine");
  const found = await new AxeBuilder({ page }).include("section[aria-label='Recording']").analyze();
  expect(found.violations).toEqual([]);
  await page.getByRole("button", { name: "Close the preview" }).click();
  await page.getByRole("button", { name: "Close the folder" }).click();

  await page.getByRole("button", { name: "More about this terminal" }).click();
  await page.getByRole("menuitem", { name: "Play a recording" }).click();
  const dialog = page.getByRole("dialog", { name: "Play a recording" });
  await pick(dialog, "Choose a file", { name: "disk.cast", mimeType: "", buffer: Buffer.from(CAST) });
  await expect(page.getByRole("dialog", { name: "disk.cast" }).getByText("The nightly backup")).toBeVisible();
});

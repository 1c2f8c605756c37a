/** Every screen of the page, in both languages, wide and on a phone of 360 pixels: nothing for axe to find, nothing beside the edge. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Browser, expect, type Page } from "@playwright/test";
import axe from "axe-core";
import { caller, seesAndHears } from "../lib/call.ts";
import { invitation, join, say } from "../lib/people.ts";
import { setUp, test } from "../lib/world.ts";

declare global {
  interface Window {
    axe: typeof axe;
  }
}

const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

/**
 * Looks at what is in sight: wide, light and in English, then on a phone, dark and in French, and back. What else these could be
 * mixed to has the same colours, the same names and the same structure; only the room for words is looked at in all four.
 * A story goes on after a finding, and fails in the end.
 */
async function look(page: Page, screen: string): Promise<void> {
  // Nothing is pointed at: where a layout changes, that would be anything.
  await page.mouse.move(0, 0);
  await clean(page, screen);
  await inLanguage(page, "fr");
  await nothingBeside(page, `${screen}, wide, in French`);
  await page.setViewportSize(PHONE);
  await page.emulateMedia({ colorScheme: "dark" });
  await expect(page.locator("html")).toHaveAttribute("data-mantine-color-scheme", "dark");
  await clean(page, `${screen}, phone, in French`);
  await inLanguage(page, "en");
  await nothingBeside(page, `${screen}, phone`);
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: "light" });
  await expect(page.locator("html")).toHaveAttribute("data-mantine-color-scheme", "light");
}

/** As if it had been chosen in another tab. */
async function inLanguage(page: Page, language: "en" | "fr"): Promise<void> {
  await page.evaluate((chosen) => {
    localStorage.setItem("mesh-language", chosen);
    dispatchEvent(new StorageEvent("storage", { key: "mesh-language" }));
  }, language);
  await expect(page.locator("html")).toHaveAttribute("lang", language);
}

async function clean(page: Page, screen: string): Promise<void> {
  // Another theme comes in steps, from the outside to the inside.
  await page.waitForFunction(() => !document.getAnimations().some((one) => one instanceof CSSTransition));
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
  const violations = await page.evaluate(async () => (await window.axe.run({ resultTypes: ["violations"] })).violations);
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, any }) => `${target.join(" ")}: ${any[0]?.message}`).join("; ")}`);
  expect.soft(found, screen).toEqual([]);
  await nothingBeside(page, screen);
}

async function nothingBeside(page: Page, screen: string): Promise<void> {
  const beside = await page.evaluate(() => {
    if (document.documentElement.scrollWidth <= innerWidth) return [];
    const all = [...document.querySelectorAll<HTMLElement>("body *")];
    const out = all.filter((one) => {
      const { right, width } = one.getBoundingClientRect();
      return width > 0 && right > innerWidth + 1 && one.checkVisibility();
    });
    return out.slice(0, 3).map((one) => one.outerHTML.slice(0, 120));
  });
  expect.soft(beside, `${screen}, beside the edge`).toEqual([]);
}

const visitor = (browser: Browser) => caller(browser, { viewport: WIDE, reducedMotion: "reduce", permissions: ["notifications", "camera", "microphone"] });
const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });

test("every screen before and around the rooms is for everybody", async ({ browser, world }) => {
  const page = await visitor(browser);
  const heading = (name: string | RegExp) => expect(page.getByRole("heading", { name, level: 1 })).toBeVisible();
  const go = async (where: string) => page.goto(where.startsWith("http") ? where : `${world.url}${where}`);
  await go(world.setupLink);
  await heading(/./);
  await look(page, "setup");
  await go("/login");
  await heading(/./);
  await look(page, "sign-in");
  await go("/link#token=wrong");
  await heading("This link does not work");
  await look(page, "a link that does not work");
  await go("/nothing/here");
  await expect(page.getByText("There is nothing at this address")).toBeVisible();
  await look(page, "nothing there");

  const alice = await caller(browser);
  await setUp(alice, world);
  const link = await invitation(alice);
  await go(link);
  await heading("You are invited");
  await look(page, "invitation");

  await go(await world.link("alice"));
  await heading("Home");
  await expect(page.getByRole("textbox", { name: "Message", exact: true })).toBeVisible();
  await look(page, "a room where nothing was said");

  await button(page, "New room").click();
  await look(page, "new room");
  await page.getByRole("textbox", { name: "Name of the room" }).fill("Workshop");
  await button(page, "Create room").click();
  await heading("Workshop");
  await go("/");
  await expect(page.getByRole("main").getByRole("link", { name: /Workshop/ })).toBeVisible();
  await look(page, "rooms");
  await page.setViewportSize(PHONE);
  await button(page, "Open the list of rooms").click();
  await expect(page.getByRole("dialog", { name: "Rooms" })).toBeVisible();
  await clean(page, "the list of rooms");
  await page.keyboard.press("Escape");
  await page.setViewportSize(WIDE);

  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Find and do anything" });
  await expect(palette.getByRole("option").first()).toBeVisible();
  await look(page, "palette");
  await palette.getByRole("combobox").fill("home");
  await expect(palette.getByRole("option")).toHaveCount(1);
  await page.keyboard.press("Enter");
  await heading("Home");
  await page.keyboard.press("Control+k");
  await palette.getByRole("combobox").fill("Room settings");
  await page.keyboard.press("Enter");
  const settings = page.getByRole("dialog", { name: "Settings of Home" });
  for (const tab of ["Members", "Door", "Invitations", "Rights", "Record", "Room"]) {
    await settings.getByRole("tab", { name: tab, exact: true }).click();
    await expect(settings.getByRole("tabpanel")).not.toBeEmpty();
    await look(page, `room settings, ${tab}`);
  }
  await page.keyboard.press("Escape");
  await page.getByRole("banner").getByRole("button", { name: "Invite", exact: true }).click();
  await look(page, "invite");
  await button(page, "Make link").click();
  await button(page, "QR code").click();
  await expect(page.getByRole("img", { name: "QR code of the invitation link" })).toBeVisible();
  await look(page, "invitation link");
  await button(page, "Done").click();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toBeVisible();
  await look(page, "shortcuts");

  await go("/settings");
  await expect(page.getByRole("list", { name: "Sessions" }).getByRole("listitem").first()).toBeVisible();
  await look(page, "settings");
  await go("/pair");
  await heading("Let a device in");
  await look(page, "let a device in");
  await go(`/rooms/${crypto.randomUUID()}`);
  await expect(page.getByText("You cannot enter this room")).toBeVisible();
  await look(page, "a room one cannot enter");
  await go("/docs/api");
  await heading(/./);
  // Not of the client: in English, with the colours of the system.
  await clean(page, "the interface for programs");
  await page.setViewportSize(PHONE);
  await page.emulateMedia({ colorScheme: "dark" });
  await clean(page, "the interface for programs, phone");
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: "light" });

  // The page starts from what the browser kept where the server is away, says so, and goes on by itself.
  await go("/");
  await page.evaluate(() => navigator.serviceWorker.ready);
  await page.reload();
  await expect(page.getByRole("main").getByRole("link", { name: /Workshop/ })).toBeVisible();
  const kept = () => page.evaluate(async () => (await (await caches.open("mesh-shell")).keys()).length);
  await expect.poll(kept).toBeGreaterThan(5);
  await page.context().setOffline(true);
  await page.reload();
  await expect(page.getByText("Mesh could not be loaded")).toBeVisible();
  await look(page, "without the server");
  await page.context().setOffline(false);
  await expect(page.getByRole("main").getByRole("link", { name: /Workshop/ })).toBeVisible();
});

test("every screen of a room is for everybody", async ({ browser, world }) => {
  const alice = await caller(browser);
  await setUp(alice, world);
  const page = await visitor(browser);
  await join(page, await invitation(alice), "bob");
  await say(alice, "Have a look at **this**: https://example.org @bob");
  const agent = world.agent("machine");
  const signIn = await world.link("alice");
  await agent.start(signIn, "--allow", "terminal:view", "--allow", "terminal:control");
  const folder = path.join(world.folder, "notes");
  await mkdir(folder);
  await writeFile(path.join(folder, "note.txt"), "what it says");
  const sharing = agent.run("share", "folder", folder);
  await sharing.until(/is shared in Home/);

  await expect(page.getByText("Have a look at")).toBeVisible();
  await look(page, "a room");
  await button(page, "Terminal").click();
  const terminal = page.getByRole("region", { name: /^Terminal / });
  await expect(terminal.getByText(/^Direct/)).toBeVisible();
  await look(page, "a terminal");
  await button(page, "Open the folder notes").click();
  const pane = page.getByRole("dialog");
  await expect(pane.getByText("note.txt")).toBeVisible();
  await look(page, "a folder");
  await pane.getByRole("button", { name: "note.txt", exact: true }).click();
  await expect(page.getByText("what it says")).toBeVisible();
  await look(page, "a file of it");
  await button(page, "Close the preview").click();
  await button(page, "Close the folder").click();
  const sending = agent.run("send", path.join(folder, "note.txt"), "--to", "Home");
  const offer = page.getByRole("region", { name: /note\.txt/ });
  await expect(offer).toBeVisible();
  await look(page, "an offer of files");
  await offer.getByRole("button", { name: "Accept", exact: true }).click();
  await sending.exit;
  await expect(page.getByText(/BLAKE3/)).toBeVisible();
  await look(page, "a transfer");
  await agent.stop();

  // Calls: missed, called, in one, small, over.
  await alice.getByRole("button", { name: "Call bob" }).click();
  const ring = () => alice.getByRole("region", { name: "Before the call" }).getByRole("button", { name: "Call", exact: true }).click();
  const call = alice.getByRole("region", { name: "Call in Home" });
  await ring();
  const ringing = page.getByRole("region", { name: "alice is calling" });
  await expect(ringing).toBeVisible();
  await look(page, "somebody calls");
  await call.getByRole("button", { name: "Leave the call" }).click();
  await expect(page.getByRole("region", { name: "Missed call from alice" })).toBeVisible();
  await look(page, "a missed call");
  await button(page, "Call back").click();
  await expect(page.getByText(/STUN|Good for calls|réseau/i).first()).toBeVisible();
  await look(page, "before a call");
  await button(page, "Test everything").click();
  await expect(page.getByRole("dialog").locator("[data-state=none]").nth(3)).toBeVisible();
  await look(page, "tests");
  await button(page, "Done").click();
  await button(page, "Cancel").click();
  await alice.getByRole("button", { name: "Call bob" }).click();
  await ring();
  await ringing.getByRole("button", { name: "Accept", exact: true }).click();
  await seesAndHears(page, 1);
  await look(page, "a call");
  await button(page, "More").click();
  await look(page, "more in a call");
  await page.getByRole("menuitem", { name: "Devices…" }).click();
  await look(page, "devices in a call");
  await page.keyboard.press("Escape");
  await button(page, "Show the screen").click();
  await page.getByRole("menuitem", { name: "Show with sharp letters" }).click();
  await expect(page.getByRole("region", { name: "Your screen" })).toBeVisible();
  await look(page, "a screen");
  await button(page, "Make the call small").click();
  await expect(page.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
  await look(page, "a small call");
  await call.getByRole("button", { name: "Leave the call" }).click();
  await expect(page.getByText("The call is over")).toBeVisible();
  await look(page, "a call that is over");
});

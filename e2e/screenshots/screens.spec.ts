/** Every screen, at desktop and phone width, light and dark, and in French: the pictures of docs/screenshots/. */
import { mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import path from "node:path";
import { expect, type Page } from "@playwright/test";
import { randomFile } from "../lib/files.ts";
import { type Look, looks, picture, visitor } from "../lib/looks.ts";
import { invitation, join, say } from "../lib/people.ts";
import { setUp, somebody, test } from "../lib/world.ts";

/** Something in colour, the same on every machine. */
const COMMANDS = [
  "cd /usr/share/common-licenses",
  "ls --color=always -C",
  "printf '\\033[1;32mbackup\\033[0m ok, \\033[1;33m3 warnings\\033[0m\\n'",
  "head -n 12 Apache-2.0",
].join("; ");

const MANUAL = `# Assembly

1. Fix the frame to the bench with the four long screws.
2. Put the spindle in from above until it clicks.
3. Lead the cable through the left foot. It must not touch the belt.
4. Switch it on without a tool, and listen for a minute.

If it hums, loosen the belt by one notch. If it rattles, look at the screws of the frame again.
`.repeat(3);

/** On a phone a part of the room has a button at the bottom; on a desktop it is in sight. */
async function show(page: Page, look: Look, part: RegExp): Promise<void> {
  if (!look.isMobile) return;
  await page.getByRole("navigation", { name: /In this room|Dans ce salon/ }).getByRole("button", { name: part }).click();
}

/** Switches the screen reader mode of the terminal on or off: the screen as text, which a picture can wait for. */
async function readAloud(page: Page): Promise<void> {
  await page.getByRole("button", { name: /More about this terminal|Plus sur ce terminal/ }).click();
  const mode = page.getByRole("menuitemcheckbox", { name: /Screen reader mode|Mode lecteur/ });
  await mode.click();
  await expect(mode).toBeHidden();
}

test("pictures of every screen", async ({ browser, world }) => {
  for (const look of looks) {
    const { viewport, colorScheme, locale, isMobile } = look;
    const page = await somebody(browser, { viewport, colorScheme, locale, isMobile });
    await page.goto(world.setupLink);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await picture(page, "setup", look);
    await page.goto(`${world.url}/login`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await picture(page, "login", look);
    await page.context().close();
  }

  const alice = await somebody(browser);
  await setUp(alice, world);
  await expect(alice.getByRole("textbox", { name: "Message" })).toBeVisible();
  const link = await invitation(alice);
  const bob = await somebody(browser);
  await join(bob, link, "bob");
  await say(alice, "The backup on the workshop machine stopped last night. Could you have a look with me?");
  await say(bob, "Of course. Open its terminal, I will watch.");
  await say(alice, "Thank you! The notes are in https://example.org/runbook");

  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "terminal:view", "--allow", "terminal:control");
  const photo = path.join(world.folder, "drawing.png");
  await randomFile(photo, 3);

  const manual = path.join(world.folder, "Workshop manual");
  await mkdir(path.join(manual, "drawings"), { recursive: true });
  for (const name of ["assembly.md", "parts.csv", "wiring.svg"]) await writeFile(path.join(manual, name), MANUAL);
  await randomFile(path.join(manual, "tour of the machine.mp4"), 2);
  const sharing = agent.run("share", "folder", manual, "--drop");
  await sharing.until(/is shared in Home/);

  for (const look of looks) {
    const page = await visitor(browser, world, look);
    await expect(page.getByText("I will watch")).toBeVisible();
    await expect(page.getByRole("banner").getByRole("button", { name: /^Call$|^Appel$/ })).toBeVisible();
    if (!look.isMobile) await expect(page.getByRole("button", { name: /Workshop manual/ })).toBeVisible();
    await picture(page, "room", look);

    await page.keyboard.press("Control+k");
    await expect(page.getByRole("option").first()).toBeVisible();
    await picture(page, "palette", look);
    await page.keyboard.press("Escape");
    await expect(page.getByRole("option")).toHaveCount(0);

    await show(page, look, /People|Personnes/);
    await expect(page.getByText(hostname()).first()).toBeVisible();
    await expect(page.getByRole("button", { name: /^(Call|Appeler) bob$/ })).toBeVisible();
    // On a desktop they are in the picture of the room.
    if (look.isMobile) await picture(page, "people", look);

    await page.getByRole("button", { name: "Terminal", exact: true }).click();
    await expect(page.getByText(/^Direct/).first()).toBeVisible();
    await page.getByRole("button", { name: /control|contrôle/i }).first().click();
    await expect(page.getByText(/You control|Vous contrôlez/)).toBeVisible();
    await page.keyboard.type(`clear; ${COMMANDS}\n`);
    await readAloud(page);
    await expect(page.locator(".xterm-accessibility-tree")).toContainText("and distribution as defined");
    await readAloud(page);
    await expect(page.locator(".xterm-accessibility-tree")).toHaveCount(0);
    await page.getByRole("textbox", { name: /Terminal input|Saisie du terminal/ }).focus();
    await picture(page, "terminal", look);
    await page.getByRole("button", { name: /Give back|Rendre/i }).click();

    const sending = agent.run("send", photo, "--to", "Home");
    const offer = page.getByRole("region", { name: /drawing\.png/ });
    await expect(offer).toBeVisible();
    await picture(page, "offer", look);
    await offer.getByRole("button", { name: /Accept/ }).click();
    await sending.exit;
    await show(page, look, /Files|Fichiers/);
    await expect(page.getByText(/BLAKE3/)).toBeVisible();
    await picture(page, "transfer", look);

    await page.getByRole("button", { name: /(Open the folder|Ouvrir le dossier) Workshop manual/ }).click();
    const pane = page.getByRole("dialog", { name: "Workshop manual" });
    await expect(pane.getByText("assembly.md")).toBeVisible();
    await picture(page, "folder", look);
    await pane.getByRole("button", { name: "assembly.md", exact: true }).click();
    await expect(page.getByRole("dialog", { name: "assembly.md" }).getByText(/listen for a minute/)).toBeVisible();
    await picture(page, "preview", look);
    await page.getByRole("button", { name: /Close the preview|Fermer l.aperçu/ }).click();
    await pane.getByRole("button", { name: /Close the folder|Fermer le dossier/ }).click();

    await page.getByRole("button", { name: /^Room settings$|^Réglages du salon$/ }).click();
    await page.getByRole("tab", { name: /^Record$|^Registre$/ }).click();
    await expect(page.getByRole("dialog").getByRole("tabpanel").getByText("alice").first()).toBeVisible();
    await picture(page, "record", look);

    await page.goto(`${world.url}/settings`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await picture(page, "settings", look);
    const notifications = page.getByRole("heading", { name: "Notifications", exact: true });
    await notifications.evaluate((heading) => heading.scrollIntoView());
    await picture(page, "notifications", look);
    await page.goto(`${world.url}/docs/api`);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await picture(page, "api", look);
    await page.context().close();
  }
});

/** How pictures are taken: at desktop and phone width, light and dark, in English and in French. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, expect, type Page } from "@playwright/test";
import { somebody, type World } from "./world.ts";

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../docs/screenshots");

export interface Look {
  name: string;
  viewport: { width: number; height: number };
  colorScheme: "light" | "dark";
  locale: string;
  isMobile: boolean;
}

const desktop = { viewport: { width: 1280, height: 800 }, isMobile: false };
const phone = { viewport: { width: 390, height: 844 }, isMobile: true };
/** With `LOOK=phone` in the environment, those whose name holds that. */
export const looks: Look[] = [
  { name: "desktop-light", ...desktop, colorScheme: "light", locale: "en-GB" },
  { name: "desktop-dark", ...desktop, colorScheme: "dark", locale: "en-GB" },
  { name: "phone-light", ...phone, colorScheme: "light", locale: "en-GB" },
  { name: "phone-dark", ...phone, colorScheme: "dark", locale: "en-GB" },
  { name: "desktop-light-fr", ...desktop, colorScheme: "light", locale: "fr-FR" },
  { name: "phone-dark-fr", ...phone, colorScheme: "dark", locale: "fr-FR" },
].filter(({ name }) => name.includes(process.env.LOOK ?? "")) as Look[];

export async function picture(page: Page, screen: string, look: Look): Promise<void> {
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: path.join(folder, `${screen}-${look.name}.png`), animations: "disabled", caret: "hide" });
}

/** Somebody who has an account, with a page that looks so. */
export async function visitor(browser: Browser, world: World, look: Look, name = "alice"): Promise<Page> {
  const { viewport, colorScheme, locale, isMobile } = look;
  const page = await somebody(browser, { viewport, colorScheme, locale, isMobile, hasTouch: isMobile, reducedMotion: "reduce" });
  await page.goto(await world.link(name));
  await expect(page.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
  return page;
}

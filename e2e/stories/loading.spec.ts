import { expect } from "@playwright/test";
import { setUp, somebody, test } from "../lib/world.ts";

test("a page whose files break off on their way, as where a network changes, comes all the same", async ({ browser, world }) => {
  const page = await somebody(browser);
  const asked = new Map<string, number>();
  await page.route("**/assets/**", (route) => {
    const url = route.request().url();
    const times = (asked.get(url) ?? 0) + 1;
    asked.set(url, times);
    // A stylesheet breaks off in the page that was loaded again, too.
    return times <= (url.endsWith(".css") ? 2 : 1) ? route.abort("failed") : route.continue();
  });
  await setUp(page, world);
  const styled = page.locator("link[rel=stylesheet]");
  await expect
    .poll(() => styled.evaluateAll((links) => links.length > 0 && links.every((link) => (link as HTMLLinkElement).sheet)))
    .toBe(true);
  expect(Math.max(...asked.values())).toBe(3);
});

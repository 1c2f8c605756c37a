/** Screens: shown in a call and outside of one, looked at closely, pointed at, recorded, stopped. */
import { AxeBuilder } from "@axe-core/playwright";
import { expect } from "@playwright/test";
import { accept, more, people, pictures, ringEverybody, seesAndHears, stage } from "../lib/call.ts";
import { test } from "../lib/world.ts";

test("a screen is shown in the call, zoomed, pointed at, and stopped", async ({ browser, world }) => {
  const [alice, bob, carol] = await people(browser, world, "bob", "carol");
  await ringEverybody(alice);
  await accept(bob);
  await accept(carol);
  for (const page of [alice, bob, carol]) await seesAndHears(page, 2);

  await stage(alice).getByRole("button", { name: "Show the screen" }).click();
  await alice.getByRole("menuitem", { name: "Show with sharp letters" }).click();
  const screen = stage(bob).getByRole("region", { name: "Screen of alice" });
  await expect(screen).toBeVisible();
  await expect.poll(async () => (await pictures(bob)).filter((count) => count > 1).length).toBe(3);
  // Who watches is in sight, at the one who shows and at who watches.
  const own = stage(alice).getByRole("region", { name: "Your screen" });
  await expect(own.getByRole("img", { name: /Watched by (bob, carol|carol, bob)/ })).toBeVisible();
  await expect(screen.getByRole("img", { name: /Watched by (bob, carol|carol, bob)/ })).toBeVisible();

  // The screen is between the heading and the keys of the call, and over neither.
  const places = [stage(bob).getByRole("heading", { level: 1 }), screen, stage(bob).getByRole("button", { name: "Leave the call" })];
  const [top, middle, bottom] = await Promise.all(places.map((place) => place.boundingBox()));
  if (!top || !middle || !bottom) throw new Error("something is out of sight");
  expect(top.y).toBeGreaterThanOrEqual(0);
  expect(middle.y).toBeGreaterThanOrEqual(top.y + top.height);
  expect(bottom.y).toBeGreaterThanOrEqual(middle.y + middle.height);
  expect(bottom.y + bottom.height).toBeLessThanOrEqual(bob.viewportSize()?.height ?? 0);

  const zoomed = screen.locator("[data-scale]");
  await screen.getByRole("button", { name: "Larger" }).click();
  await expect(zoomed).toHaveAttribute("data-scale", "1.40");
  await screen.getByRole("group").focus();
  await bob.keyboard.press("+");
  await expect(zoomed).toHaveAttribute("data-scale", "1.96");
  const before = await zoomed.getAttribute("style");
  await bob.keyboard.press("ArrowLeft");
  await expect.poll(() => zoomed.getAttribute("style")).not.toBe(before);
  await bob.keyboard.press("0");
  await expect(zoomed).toHaveAttribute("data-scale", "1.00");

  await screen.getByRole("button", { name: "Point at it" }).click();
  const box = await screen.getByRole("group").boundingBox();
  if (!box) throw new Error("the screen has no place");
  await bob.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await bob.mouse.move(box.x + box.width / 2 + 4, box.y + box.height / 2 + 4, { steps: 4 });
  await expect(own.getByText("bob", { exact: true })).toBeVisible();
  await expect(stage(carol).getByRole("region", { name: "Screen of alice" }).getByText("bob", { exact: true })).toBeVisible();

  for (const page of [alice, bob]) expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);
  // From anywhere: also from the small window.
  await stage(alice).getByRole("button", { name: "Make the call small" }).click();
  await stage(alice).getByRole("button", { name: "Stop showing" }).click();
  await expect(screen).toBeHidden();
  await seesAndHears(bob, 2);
});

test("a screen is shown to the room without a call: watched from the room, and stopped from it", async ({ browser, world }) => {
  const [alice, bob] = await people(browser, world, "bob");
  await alice.getByRole("button", { name: "Show a screen to the room" }).click();
  await alice.getByRole("menuitem", { name: "Show as a smooth film" }).click();
  await bob.getByRole("button", { name: "Watch" }).click();
  const screen = stage(bob).getByRole("region", { name: "Screen of alice" });
  await expect(screen.getByRole("img", { name: "Watched by bob" })).toBeVisible();
  await expect.poll(async () => (await pictures(bob))[0]).toBeGreaterThan(1);
  await alice.keyboard.press("Control+k");
  await alice.getByRole("combobox", { name: "Find", exact: true }).fill("stop showing");
  await alice.keyboard.press("Enter");
  await expect(screen).toBeHidden();
  await expect(alice.getByRole("button", { name: "Show a screen to the room" })).toBeVisible();
});

test("a recording is told to everybody while it runs, and kept on this device", async ({ browser, world }) => {
  const [alice, bob] = await people(browser, world, "bob");
  await ringEverybody(alice);
  await accept(bob);
  await seesAndHears(alice, 1);
  await more(alice, "Record, and tell everybody");
  await expect(stage(bob).getByText("Recorded by alice")).toBeVisible();
  await expect(stage(alice).getByText("Recorded by alice")).toBeVisible();
  const before = await pictures(alice);
  await expect.poll(async () => (await pictures(alice))[0]).toBeGreaterThan((before[0] ?? 0) + 20);
  const kept = alice.waitForEvent("download");
  await more(alice, "Stop recording");
  expect((await kept).suggestedFilename()).toMatch(/^Mesh .*\.webm$/);
  await expect(stage(bob).getByText("Recorded by alice")).toBeHidden();
});

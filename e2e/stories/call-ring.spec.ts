/** Ringing: of one person, declined, missed with its notice, ended before it was answered. */
import { AxeBuilder } from "@axe-core/playwright";
import { expect } from "@playwright/test";
import { accept, people, seesAndHears, stage } from "../lib/call.ts";
import { test } from "../lib/world.ts";

test("one person is called, and nobody else hears of it; declined is one clear sentence", async ({ browser, world }) => {
  const [alice, bob, carol] = await people(browser, world, "bob", "carol");
  await alice.getByRole("button", { name: "Call bob" }).click();
  await expect(alice.getByRole("meter", { name: "Level of the microphone" })).toBeVisible();
  expect((await new AxeBuilder({ page: alice }).analyze()).violations).toEqual([]);
  await alice.getByRole("region", { name: "Before the call" }).getByRole("button", { name: "Call", exact: true }).click();
  const ringing = bob.getByRole("region", { name: "alice is calling" });
  await expect(ringing).toBeVisible();
  expect((await new AxeBuilder({ page: bob }).include('[aria-label="alice is calling"]').analyze()).violations).toEqual([]);
  await expect(ringing).toContainText("Only you are called.");
  await expect(carol.getByRole("region", { name: /is calling$/ })).toHaveCount(0);
  await ringing.getByRole("button", { name: "Decline" }).click();
  await expect(alice.getByRole("alert")).toHaveText("The call was declined.");

  await alice.getByRole("button", { name: "Call again" }).click();
  await alice.getByRole("region", { name: "Before the call" }).getByRole("button", { name: "Call", exact: true }).click();
  await accept(bob);
  await seesAndHears(alice, 1);
  await seesAndHears(bob, 1);
  await expect(carol.getByText("In a call here:")).toHaveCount(0);

  // Both come back, each in turn, from a page that is loaded anew.
  await bob.reload();
  await expect(stage(bob)).toBeVisible();
  await seesAndHears(bob, 1);
  await seesAndHears(alice, 1);
  await stage(bob).getByRole("button", { name: "Leave the call" }).click();
  await expect(alice.getByRole("alert")).toHaveText("The other side has left the call.");
});

test("a call that ends before it is answered is missed: shown, noticed by the system, and called back", async ({ browser, world }) => {
  const [alice, bob] = await people(browser, world, "bob");
  // The page is out of sight; what the system is told is kept for the test.
  await bob.evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    const notices: string[] = [];
    const Kept = class {
      static permission = "granted";
      onclick = null;
      constructor(title: string) {
        notices.push(title);
      }
      close() {}
    };
    Object.assign(window, { notices, Notification: Kept });
  });
  const notices = () => bob.evaluate(() => (window as unknown as { notices: string[] }).notices);
  await alice.getByRole("button", { name: "Call bob" }).click();
  await alice.getByRole("region", { name: "Before the call" }).getByRole("button", { name: "Call", exact: true }).click();
  await expect(bob.getByRole("region", { name: "alice is calling" })).toBeVisible();
  expect(await notices()).toEqual(["alice is calling"]);
  await stage(alice).getByRole("button", { name: "Leave the call" }).click();
  await expect(bob.getByRole("region", { name: "alice is calling" })).toHaveCount(0);

  const missed = bob.getByRole("region", { name: "Missed call from alice" });
  await expect(missed).toBeVisible();
  expect(await notices()).toEqual(["alice is calling", "Missed call from alice"]);
  await missed.getByRole("button", { name: "Call back" }).click();
  await bob.getByRole("region", { name: "Before the call" }).getByRole("button", { name: "Call", exact: true }).click();
  await accept(alice);
  await seesAndHears(alice, 1);
});

/** Calls, at every step: the pictures of docs/screenshots/. */
import { expect, type Page } from "@playwright/test";
import { accept, caller, ringEverybody, seesAndHears, stage } from "../lib/call.ts";
import { looks, picture, visitor } from "../lib/looks.ts";
import { invitation, join } from "../lib/people.ts";
import { setUp, test } from "../lib/world.ts";

const ringing = (page: Page) => page.getByRole("region", { name: /is calling$|vous appelle$/ });
const press = (page: Page, name: RegExp) => page.getByRole("button", { name }).last().click();

test("pictures of calls", async ({ browser, world }) => {
  const alice = await caller(browser);
  await setUp(alice, world);
  const carol = await caller(browser);
  await join(carol, await invitation(alice), "carol");
  const first = await caller(browser);
  await join(first, await invitation(alice), "bob");
  await first.context().close();

  for (const look of looks) {
    const bob = await visitor(browser, world, look, "bob");
    await bob.context().grantPermissions(["camera", "microphone"]);
    await ringEverybody(alice);
    await expect(ringing(bob)).toBeVisible();
    await picture(bob, "call-ring", look);
    await accept(carol);
    await ringing(bob).getByRole("button", { name: /Decline|Refuser/ }).click();

    await press(bob, /^(Join|Rejoindre)$/);
    await expect(bob.getByRole("meter")).toBeVisible();
    await expect(bob.getByRole("button", { name: /Test everything|Tout essayer/ })).toBeVisible();
    await picture(bob, "call-before", look);
    await press(bob, /^(Join|Rejoindre)$/);
    const call = bob.getByRole("region", { name: /^(Call in|Appel dans) Home$/ });
    // On a phone there is no room for the facts of a path; they are there all the same.
    await expect(call.getByText(/^Direct/)).toHaveCount(2);
    for (const page of [alice, carol]) await seesAndHears(page, 2);
    await bob.mouse.move(0, 0);
    await expect(bob.getByRole("tooltip")).toHaveCount(0);
    await picture(bob, "call", look);

    await press(bob, /^(More|Plus)$/);
    await bob.getByRole("menuitem", { name: /Test everything|Tout essayer/ }).click();
    await expect(bob.getByRole("dialog").locator("[data-state=good], [data-state=wrong]").nth(3)).toBeVisible();
    await picture(bob, "call-tests", look);
    await bob.keyboard.press("Escape");

    await stage(alice).getByRole("button", { name: "Show the screen" }).click();
    await alice.getByRole("menuitem", { name: "Show with sharp letters" }).click();
    await expect(call.getByRole("region", { name: /^(Screen of|Écran de) alice$/ }).getByText(/^Direct/)).toBeAttached();
    await picture(bob, "call-screen", look);
    await call.getByRole("button", { name: /Make the call small|Réduire l.appel/ }).click();
    await expect(bob.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
    await picture(bob, "call-small", look);

    for (const page of [carol, alice]) {
      await stage(page).getByRole("button", { name: "Leave the call" }).click();
      await expect(stage(page)).toBeHidden();
    }
    await bob.context().close();
  }
});

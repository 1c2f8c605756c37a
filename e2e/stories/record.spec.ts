import { readFile } from "node:fs/promises";
import { expect } from "@playwright/test";
import { invitation, join } from "../lib/people.ts";
import { setUp, somebody, test } from "../lib/world.ts";

test("an owner reads and exports the record of a room, in both languages", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);
  const bob = await somebody(browser);
  await join(bob, await invitation(alice), "bob");
  await alice.getByRole("button", { name: "Room settings" }).click();
  await alice.getByRole("tab", { name: "Record" }).click();
  const lines = alice.getByRole("tabpanel").getByRole("listitem");
  await expect(lines).toHaveCount(2);
  await expect(lines.first()).toContainText("Came in · member");
  await expect(lines.first()).toContainText("bob");
  await expect(lines.last()).toContainText("Invitation made");

  const saved = alice.waitForEvent("download");
  await alice.getByRole("button", { name: "Export" }).click();
  const file = await saved;
  expect(file.suggestedFilename()).toBe("audit-Home.ndjson");
  const acts = (await readFile(await file.path(), "utf8")).trim().split("\n").map((line) => JSON.parse(line).act);
  expect(acts).toEqual(["member.joined", "invite.created"]);

  // A right is told in words.
  await alice.keyboard.press("Escape");
  await alice.getByRole("button", { name: "Call bob" }).click();
  await alice.getByRole("region", { name: "Before the call" }).getByRole("button", { name: "Call", exact: true }).click();
  await bob.getByRole("region", { name: "alice is calling" }).getByRole("button", { name: "Decline" }).click();
  await alice.getByRole("button", { name: "Close", exact: true }).click();

  await bob.getByRole("button", { name: "Room settings" }).click();
  await expect(bob.getByRole("tab", { name: "Record" })).toHaveCount(0);

  await alice.evaluate(() => localStorage.setItem("mesh-language", "fr"));
  await alice.reload();
  await alice.getByRole("button", { name: "Réglages du salon" }).click();
  await alice.getByRole("tab", { name: "Registre" }).click();
  await expect(lines.filter({ hasText: "Arrivée" })).toHaveCount(1);
  await expect(lines.filter({ hasText: "Autorisation accordée · Appeler" })).toHaveCount(1);
});

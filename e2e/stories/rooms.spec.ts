import { expect, type Page } from "@playwright/test";
import { loadAll, write } from "../lib/chat.ts";
import { invitation, join, register, say } from "../lib/people.ts";
import { setUp, somebody, test } from "../lib/world.ts";

async function settings(page: Page, tab: string): Promise<void> {
  await page.getByRole("button", { name: "Room settings" }).click();
  await page.getByRole("tab", { name: tab }).click();
}

async function close(page: Page): Promise<void> {
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
}

test("a message names somebody, is edited by the keyboard, and deleted", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);
  const bob = await somebody(browser);
  await join(bob, await invitation(alice), "bob");
  await expect(alice.getByRole("listitem", { name: "bob" })).toContainText("Online");

  // A name is offered while it is typed.
  const field = alice.getByRole("textbox", { name: "Message", exact: true });
  await field.pressSequentially("helo @b");
  await expect(alice.getByRole("option", { name: "bob" })).toHaveAttribute("aria-selected", "true");
  await expect(bob.getByText("alice is writing…")).toBeVisible();
  await alice.keyboard.press("Enter");
  await expect(field).toHaveValue("helo @bob ");
  await alice.keyboard.press("Enter");
  for (const page of [alice, bob]) await expect(page.locator("mark", { hasText: "@bob" })).toBeVisible();

  // ↑ in the empty field opens the last own message.
  await alice.keyboard.press("ArrowUp");
  const edit = alice.getByRole("textbox", { name: "Edit message" });
  await expect(edit).toBeFocused();
  await edit.fill("hello @bob");
  await alice.keyboard.press("Enter");
  await expect(bob.getByRole("log")).toContainText("hello @bob (edited)");
  await expect(field).toBeFocused();

  // Bob cannot touch it; Alice, who owns the room, may delete what Bob says.
  await say(bob, "nonsense");
  const nonsense = alice.getByRole("log").getByText("nonsense");
  await expect(nonsense).toBeVisible();
  await expect(bob.getByRole("article", { name: "alice" }).getByRole("button")).toHaveCount(0);
  await nonsense.hover();
  await alice.getByRole("article", { name: "bob" }).getByRole("button", { name: "Delete" }).click();
  await alice.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expect(bob.getByText("Message deleted")).toBeVisible();
  await bob.reload();
  await expect(bob.getByText("Message deleted")).toBeVisible();
  await expect(bob.getByText("nonsense")).toHaveCount(0);
});

test("older messages come as one scrolls up", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);
  const field = alice.getByRole("textbox", { name: "Message", exact: true });
  for (let n = 1; n <= 70; n++) {
    await field.fill(`message ${n} of many`);
    await alice.keyboard.press("Enter");
  }
  await expect(alice.getByText("message 70 of many")).toBeVisible();
  await alice.reload();
  await expect(alice.getByText("message 70 of many")).toBeVisible();
  await expect(alice.getByText("message 1 of many", { exact: true })).toHaveCount(0);
  await alice.getByRole("log").evaluate((list) => list.scrollTo(0, 0));
  await expect(alice.getByText("message 1 of many", { exact: true })).toHaveCount(1);
  await expect(alice.getByText(/^message \d+ of many$/)).toHaveCount(70);
});

test.describe("a room where much is said", () => {
  test.use({ settings: { MESH_FRAMES_PER_SECOND: "1000000" } });

  test("whoever follows it has the newest messages, and the others come as one scrolls up", async ({ browser, world }) => {
    const alice = await somebody(browser);
    await setUp(alice, world);
    await write(alice, alice.url().split("/").at(-1) ?? "", 600);
    const messages = alice.getByText(/^Message \d+:/);
    await expect(messages).toHaveCount(300);
    await expect(messages.last()).toContainText("Message 599:");
    await expect(messages.last()).toBeInViewport();
    await loadAll(alice);
    await expect(messages).toHaveCount(600);
  });
});

test("a room has a lock, a lobby and bans that hold", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);

  // Locked: an invitation opens nothing, and is not used up.
  const link = await invitation(alice);
  await settings(alice, "Door");
  await alice.getByRole("switch", { name: /^Locked/ }).click();
  await expect(alice.getByRole("switch", { name: /^Locked/ })).toBeChecked();
  const bob = await somebody(browser);
  await register(bob, link, "bob");
  await expect(bob.getByRole("alert")).toContainText(/locked/i);

  // A lobby: who comes waits, and enters by itself when let in.
  await alice.getByRole("switch", { name: /^Locked/ }).click();
  await alice.getByRole("switch", { name: /^Lobby/ }).click();
  await expect(alice.getByRole("switch", { name: /^Lobby/ })).toBeChecked();
  await close(alice);
  await register(bob, link, "bob");
  await expect(bob.getByText("Waiting to be let in")).toBeVisible();
  await bob.reload();
  await expect(bob.getByText("Waiting to be let in")).toBeVisible();
  await alice.getByRole("button", { name: "Room settings" }).click();
  await alice.getByRole("button", { name: "Let bob in" }).click();
  await expect(bob.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();

  // A new role is there at once.
  await alice.getByRole("tab", { name: "Members" }).click();
  await alice.getByRole("combobox", { name: "Role of bob" }).click();
  await alice.getByRole("option", { name: "Moderator" }).click();
  await expect(bob.getByRole("banner").getByRole("button", { name: "Invite" })).toBeVisible();

  // Banned: out at once, and no invitation leads back until the ban is lifted.
  await alice.getByRole("button", { name: "Ban bob" }).click();
  await expect(bob.getByText("You cannot enter this room")).toBeVisible();
  await alice.getByRole("tab", { name: "Door" }).click();
  await alice.getByRole("switch", { name: /^Lobby/ }).click();
  await expect(alice.getByRole("switch", { name: /^Lobby/ })).not.toBeChecked();
  await close(alice);
  const second = await invitation(alice);
  await bob.goto(second);
  await bob.getByRole("button", { name: "Join the room" }).click();
  await expect(bob.getByRole("alert")).toContainText(/banned/i);
  await settings(alice, "Door");
  await alice.getByRole("button", { name: "Lift the ban of bob" }).click();
  await expect(alice.getByRole("button", { name: "Lift the ban of bob" })).toHaveCount(0);
  await bob.getByRole("button", { name: "Join the room" }).click();
  await expect(bob.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();

  // Links are listed and revoked.
  await alice.keyboard.press("Escape");
  const third = await invitation(alice);
  await settings(alice, "Invitations");
  await alice.getByRole("button", { name: /^Revoke/ }).click();
  await expect(alice.getByText("No invitation link works at the moment.")).toBeVisible();
  const eve = await somebody(browser);
  await register(eve, third, "eve");
  await expect(eve.getByRole("alert")).toContainText(/invitation/i);
});

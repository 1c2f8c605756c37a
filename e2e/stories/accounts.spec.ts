import { expect } from "@playwright/test";
import { invitation, join, say } from "../lib/people.ts";
import { setUp, somebody, test } from "../lib/world.ts";

test("a machine shows a code, its owner lets it in, and it is up", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);
  const desk = world.agent("desk");
  const login = desk.run("--json", "login", world.url, "--device-name", "Desk");
  const shown = JSON.parse(await login.until(/"pairing"/)) as { verification_uri_complete: string; user_code: string };

  // Who is not signed in does that first, and comes back to the code.
  const phone = await somebody(browser);
  await phone.goto(shown.verification_uri_complete);
  await phone.getByRole("textbox", { name: "Name" }).fill("alice");
  await phone.getByRole("textbox", { name: "Password" }).fill("correct horse battery staple");
  await phone.getByRole("button", { name: "Sign in" }).click();
  await expect(phone.getByRole("textbox", { name: "Code" })).toHaveValue(shown.user_code);
  await phone.getByRole("button", { name: "Continue" }).click();
  await expect(phone.getByText("Desk", { exact: true })).toBeVisible();
  await expect(phone.getByText("127.0.0.1")).toBeVisible();
  await expect(phone.getByText(shown.user_code)).toBeVisible();
  await phone.getByRole("button", { name: "Let it in" }).click();
  await expect(phone.getByText("The device is signed in.")).toBeVisible();

  await login.until(/"signed_in"/);
  await desk.up();
  await expect(alice.getByRole("listitem", { name: "Desk" })).toContainText("Online");

  // A wrong code says what to do; a declined machine is told.
  const other = world.agent("other").run("--json", "login", world.url);
  const second = JSON.parse(await other.until(/"pairing"/)) as { user_code: string };
  await alice.goto(`${world.url}/pair`);
  await alice.getByRole("textbox", { name: "Code" }).fill("BCDF-GHJK");
  await alice.getByRole("button", { name: "Continue" }).click();
  await expect(alice.getByRole("alert")).toContainText("No device shows this code");
  await alice.getByRole("textbox", { name: "Code" }).fill(second.user_code.toLowerCase());
  await alice.getByRole("button", { name: "Continue" }).click();
  await alice.getByRole("button", { name: "Decline" }).click();
  await expect(alice.getByText("The device was declined.")).toBeVisible();
  expect(await other.exit).toBe(4);
});

test("a guest comes in by a name, reaches one room, and does not come back once removed", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);
  await alice.getByRole("banner").getByRole("button", { name: "Invite" }).click();
  await alice.getByRole("checkbox", { name: "Also without an account" }).check();
  await alice.getByRole("textbox", { name: "How often it works" }).fill("5");
  await alice.getByRole("button", { name: "Make link" }).click();
  const link = (await alice.getByText(/\/invite#token=/).innerText()).trim();
  await alice.getByRole("button", { name: "Done" }).click();

  const guest = await somebody(browser);
  await guest.goto(link);
  await guest.getByText("As a guest").click();
  await guest.getByRole("textbox", { name: "Name" }).fill("Gwen");
  await guest.getByRole("button", { name: "Continue as a guest" }).click();
  await expect(guest.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
  await expect(guest.getByRole("button", { name: "New room" })).toBeHidden();
  await say(guest, "hello from outside");
  await expect(alice.getByText("hello from outside")).toBeVisible();

  // Alice removes the guest: that very page is out, and the link with it.
  await alice.evaluate(async () => {
    const { rooms } = await (await fetch("/rooms")).json();
    const at = `/rooms/${rooms[0].room_id}/members`;
    const { members } = await (await fetch(at)).json();
    const gwen = members.find((member: { name: string }) => member.name === "Gwen");
    await fetch(`${at}/${gwen.user_id}`, { method: "DELETE" });
  });
  await expect(guest.getByText("Your session has ended")).toBeVisible();
  const again = await somebody(browser);
  await again.goto(link);
  await expect(again.getByText("As a guest")).toBeHidden();
  await again.getByRole("textbox", { name: "Name" }).fill("gwen");
  await again.getByRole("textbox", { name: "Password" }).fill("another long sentence");
  await again.getByRole("button", { name: /join|create/i }).click();
  await expect(again.getByRole("alert")).toContainText(/invitation/i);
});

test("another name is seen by the others at once", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);
  const bob = await somebody(browser);
  await join(bob, await invitation(alice), "bob");
  const people = bob.getByRole("listitem", { name: "alice", exact: true });
  await expect(people).toContainText("Online");
  await alice.goto(`${world.url}/settings`);
  const name = alice.getByRole("textbox", { name: "Name" });
  await name.fill("bob");
  await alice.getByRole("button", { name: "Change name" }).click();
  await expect(alice.getByRole("alert")).toContainText(/taken/i);
  await name.fill("Alice L.");
  await alice.getByRole("button", { name: "Change name" }).click();
  await expect(alice.getByText("You are Alice L. from now on.")).toBeVisible();
  await expect(alice.getByText("Signed in as Alice L.")).toBeVisible();
  await expect(bob.getByRole("listitem", { name: "Alice L." })).toBeVisible();
  await expect(people).toHaveCount(0);
});

test("a session is ended from another, and a changed password ends the rest", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);
  const phone = await somebody(browser);
  await phone.goto(await world.link("alice"));
  await expect(phone.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
  await alice.goto(`${world.url}/settings`);
  const sessions = alice.getByRole("list", { name: "Sessions" });
  await expect(sessions.getByRole("listitem")).toHaveCount(2);
  await expect(sessions).toContainText("127.0.0.1");
  await sessions.getByRole("button", { name: /^End the session/ }).click();
  await expect(phone.getByText("Your session has ended")).toBeVisible();
  await expect(sessions.getByRole("listitem")).toHaveCount(1);

  await phone.goto(await world.link("alice"));
  await expect(phone.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
  await alice.getByRole("textbox", { name: "Current password" }).fill("correct horse battery staple");
  await alice.getByRole("textbox", { name: "New password" }).fill("quite another sentence");
  await alice.getByRole("button", { name: "Change password" }).click();
  await expect(alice.getByText("The password is changed.")).toBeVisible();
  await expect(phone.getByText("Your session has ended")).toBeVisible();
  await phone.getByRole("textbox", { name: "Name" }).fill("alice");
  await phone.getByRole("textbox", { name: "Password" }).fill("quite another sentence");
  await phone.getByRole("button", { name: "Sign in" }).click();
  await expect(phone.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
});

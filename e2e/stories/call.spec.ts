/** Calls: two to four people see and hear each other, directly; who comes, goes, comes back, may no longer. */
import { expect } from "@playwright/test";
import { accept, arrived, people, ringEverybody, seesAndHears, stage } from "../lib/call.ts";
import { test } from "../lib/world.ts";

test("two people: one rings, the other accepts, both see and hear each other", async ({ browser, world }) => {
  const [alice, bob] = await people(browser, world, "bob");
  await ringEverybody(alice);
  await accept(bob);
  await seesAndHears(alice, 1);
  await seesAndHears(bob, 1);
  await expect(stage(alice).getByText(/^Direct/)).toBeVisible();

  // Muted is silent, and shown to the other one.
  await stage(alice).getByRole("button", { name: "Turn the microphone off" }).click();
  const mine = stage(bob).getByRole("listitem", { name: "alice", exact: true });
  await expect(mine.getByRole("img", { name: "Microphone off" })).toBeVisible();
  await stage(alice).getByRole("button", { name: "Turn the camera off" }).click();
  await expect(mine.getByLabel("Picture of alice")).toBeHidden();
  await stage(alice).getByRole("button", { name: "Turn the camera on" }).click();
  await expect(mine.getByLabel("Picture of alice")).toBeVisible();
  const { frames } = await arrived(bob);
  await expect.poll(async () => (await arrived(bob)).frames[0]).toBeGreaterThan((frames[0] ?? 0) + 5);

  await stage(bob).getByRole("button", { name: "Leave the call" }).click();
  await expect(stage(bob)).toBeHidden();
  await expect(stage(alice).getByText("You are alone here")).toBeVisible();
  await stage(alice).getByRole("button", { name: "Leave the call" }).click();
  await expect(alice.getByRole("banner").getByRole("button", { name: "Call", exact: true })).toBeVisible();
});

test("three, then four: everybody sees and hears everybody; one leaves, one's page is loaded anew", async ({ browser, world }) => {
  // Every picture is encoded and decoded on two processors, for every pair.
  test.setTimeout(240_000);
  const [alice, bob, carol, dave] = await people(browser, world, "bob", "carol", "dave");
  await ringEverybody(alice);
  await accept(bob);
  await accept(carol);
  for (const page of [alice, bob, carol]) await seesAndHears(page, 2);

  // Who comes later finds the call, and nobody is rung.
  await dave.getByRole("region", { name: /is calling$/ }).getByRole("button", { name: "Decline" }).click();
  await dave.getByRole("button", { name: "Join", exact: true }).click();
  await dave.getByRole("button", { name: "Join", exact: true }).last().click();
  for (const page of [alice, bob, carol, dave]) await seesAndHears(page, 3);

  // The one who began it leaves; it goes on.
  await stage(alice).getByRole("button", { name: "Leave the call" }).click();
  for (const page of [bob, carol, dave]) await expect(stage(page).getByRole("listitem", { name: "alice", exact: true })).toBeHidden();
  for (const page of [bob, carol, dave]) await seesAndHears(page, 2);

  await carol.reload();
  await expect(stage(carol)).toBeVisible();
  for (const page of [bob, carol, dave]) await seesAndHears(page, 2);
});

test("a right that is taken away in the call ends it within 5 s, and the others go on", async ({ browser, world }) => {
  // Every picture is encoded and decoded on two processors, for every pair.
  test.setTimeout(240_000);
  const [alice, bob, carol] = await people(browser, world, "bob", "carol");
  await ringEverybody(alice);
  await accept(bob);
  await accept(carol);
  for (const page of [alice, bob, carol]) await seesAndHears(page, 2);

  const room = alice.url().split("/").at(-1) ?? "";
  const begun = Date.now();
  // Guests may call no longer, and Bob is one from now on.
  const done = await alice.evaluate(async (roomId) => {
    const ask = (method: string, path: string, body?: object) =>
      fetch(`/rooms/${roomId}${path}`, { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });
    const { members } = (await (await ask("GET", "/members")).json()) as { members: { user_id: string; name: string }[] };
    const bob = members.find(({ name }) => name === "bob");
    const policy = await ask("PATCH", "", { policy: { guest: ["share:file"] } });
    const role = await ask("PUT", `/members/${bob?.user_id}`, { role: "guest" });
    return policy.ok && role.ok;
  }, room);
  expect(done).toBe(true);
  await expect(bob.getByRole("alert").filter({ hasText: "permission" })).toBeVisible({ timeout: 5_000 });
  await expect.poll(async () => (await arrived(bob)).frames.length, { timeout: 5_000 }).toBe(0);
  await expect.poll(async () => (await arrived(alice)).frames.length, { timeout: 5_000 }).toBe(1);
  console.log(`media of a right taken away ended after ${Date.now() - begun} ms`);
  for (const page of [alice, carol]) await seesAndHears(page, 1);
});

test("no microphone and no camera: one joins all the same, and hears why", async ({ browser, world }) => {
  const [alice, bob] = await people(browser, world, "bob");
  await bob.evaluate(() => {
    navigator.mediaDevices.getUserMedia = (wanted) =>
      Promise.reject(new DOMException("", wanted?.video ? "NotReadableError" : "NotAllowedError"));
  });
  await ringEverybody(alice);
  await accept(bob);
  await expect(stage(bob).getByRole("alert").filter({ hasText: "Another program is using it" })).toBeVisible();
  await expect(stage(bob).getByRole("alert").filter({ hasText: "does not let this page use it" })).toBeVisible();
  await seesAndHears(bob, 1);
});

test("who lies about the certificate is neither seen nor heard, and there is a way on", async ({ browser, world }) => {
  const [alice, bob] = await people(browser, world, "bob");
  // The offers and answers of Bob's page name another certificate than the one that his permission is for.
  await bob.evaluate(() => {
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) {
      const other = (_: string, first: string, rest: string) => `a=fingerprint:sha-256 ${first === "0" ? "1" : "0"}${rest}`;
      send.call(this, typeof data === "string" ? data.replaceAll(/a=fingerprint:sha-256 ([0-9A-F])([0-9A-F:]+)/g, other) : data);
    };
  });
  await ringEverybody(alice);
  await accept(bob);
  await expect(stage(alice).getByRole("alert")).toHaveText(/could not prove/);
  expect((await arrived(alice)).frames).toEqual([]);
  await expect(stage(alice).getByRole("button", { name: "Try again" })).toBeVisible();
});

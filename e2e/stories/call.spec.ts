/** Calls: two to four people see and hear each other, directly; who comes, goes, comes back, may no longer. */
import { expect } from "@playwright/test";
import { accept, more, people, pictures, ringEverybody, seesAndHears, stage, takeAway } from "../lib/call.ts";
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
  const before = await pictures(bob);
  await expect.poll(async () => (await pictures(bob))[0]).toBeGreaterThan((before[0] ?? 0) + 5);

  await stage(bob).getByRole("button", { name: "Leave the call" }).click();
  await expect(stage(bob)).toBeHidden();
  await expect(stage(alice).getByText("You are alone here")).toBeVisible();
  await stage(alice).getByRole("button", { name: "Leave the call" }).click();
  await expect(alice.getByRole("banner").getByRole("button", { name: "Call", exact: true })).toBeVisible();
});

test("another camera and microphone in the call; one that is unplugged gives way; a permission that is not renewed ends it with a way on", async ({
  browser,
  world,
}) => {
  const [alice, bob] = await people(browser, world, "bob");
  // Alice's page has a clock that the story moves: a lease lasts a minute.
  await alice.clock.install();
  await ringEverybody(alice);
  await accept(bob);
  await seesAndHears(alice, 1);

  // What was opened last, as the browser names it.
  await bob.evaluate(() => {
    const used: Record<string, string> = {};
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const stream = await open(wanted);
      for (const track of stream.getTracks()) used[track.kind] = track.label;
      return stream;
    };
    Object.assign(window, { used });
  });
  const used = (kind: string) => bob.evaluate((name) => (window as unknown as { used: Record<string, string> }).used[name], kind);
  await more(bob, "Devices…");
  const devices = bob.getByRole("dialog", { name: "Devices" });
  for (const [field, kind] of [
    ["Camera", "video"],
    ["Microphone", "audio"],
  ] as const) {
    const choice = devices.getByRole("combobox", { name: field });
    const before = await choice.inputValue();
    await choice.click();
    await bob.getByRole("option").filter({ hasNotText: before }).last().click();
    await expect(choice).not.toHaveValue(before);
    await expect.poll(() => used(kind)).toBe(await choice.inputValue());
  }
  await bob.keyboard.press("Escape");
  await seesAndHears(alice, 1);

  const picture = stage(bob).getByLabel("Picture of bob");
  const track = () => picture.evaluate((video: HTMLVideoElement) => (video.srcObject as MediaStream | null)?.getVideoTracks()[0]?.id);
  const first = await track();
  await picture.evaluate((video: HTMLVideoElement) => (video.srcObject as MediaStream).getVideoTracks()[0]?.dispatchEvent(new Event("ended")));
  await expect.poll(async () => [undefined, first].includes(await track())).toBe(false);
  await seesAndHears(alice, 1);

  await alice.clock.fastForward(61_000);
  await expect(stage(alice).getByRole("alert")).toHaveText(/could not renew its permission in time/);
  await expect(stage(alice).getByLabel("Picture of bob")).toBeHidden();
  await expect(stage(bob).getByRole("alert")).toHaveText(/could not renew/);
  await stage(alice).getByRole("button", { name: "Try again" }).click();
  await expect(stage(bob).getByLabel("Picture of alice")).toBeVisible();
  await seesAndHears(alice, 1);
});

test("three, then four: everybody sees and hears everybody; one leaves, one's page is loaded anew", async ({ browser, world }) => {
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
  const [alice, bob, carol] = await people(browser, world, "bob", "carol");
  await ringEverybody(alice);
  await accept(bob);
  await accept(carol);
  for (const page of [alice, bob, carol]) await seesAndHears(page, 2);

  const begun = Date.now();
  await takeAway(alice, "bob");
  await expect(bob.getByText("The call is over")).toBeVisible({ timeout: 5_000 });
  await expect(bob.getByRole("alert")).toHaveText("The permission for this was taken back. Ask the room’s owner.");
  await expect.poll(async () => (await pictures(bob)).length, { timeout: 5_000 }).toBe(0);
  await expect.poll(async () => (await pictures(alice)).length, { timeout: 5_000 }).toBe(1);
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
  expect(await pictures(alice)).toEqual([]);
  await expect(stage(alice).getByRole("button", { name: "Try again" })).toBeVisible();
});

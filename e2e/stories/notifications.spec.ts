import { expect } from "@playwright/test";
import { Gotify } from "../lib/gotify.ts";
import { invitation, join, say } from "../lib/people.ts";
import { setUp, somebody, test } from "../lib/world.ts";

test.use({ settings: { MESH_NOTIFY_PRIVATE_ADDRESSES: "on" } });

test("who went away hears by Gotify that somebody wrote, and not what", async ({ browser, world }) => {
  const gotify = await Gotify.start();
  const alice = await somebody(browser);
  await setUp(alice, world);
  const bob = await somebody(browser);
  await join(bob, await invitation(alice), "bob");

  await bob.goto(`${world.url}/settings`);
  const place = bob.getByRole("form", { name: "Gotify" });
  await place.getByRole("textbox", { name: "Address of the Gotify" }).fill(gotify.url);
  await place.getByLabel("Token of an application").fill("wrong");
  await place.getByRole("button", { name: "Save Gotify" }).click();
  await expect(place.getByRole("button", { name: "Remove Gotify" })).toBeVisible();
  const test = bob.getByRole("button", { name: "Send a test" });
  await test.click();
  await expect(bob.getByRole("status").filter({ hasText: "401" })).toBeVisible();
  await place.getByLabel("Token of an application").fill(Gotify.token);
  await place.getByRole("button", { name: "Save Gotify" }).click();
  await expect(place.getByLabel("Token of an application")).toHaveValue("");
  await test.click();
  await expect(bob.getByText("Gotify: sent.")).toBeVisible();
  expect((await gotify.next()).message).toBe("This is a test: notices of Mesh arrive here.");

  // The settings come in the language of the page, words and all.
  await bob.getByText("Français", { exact: true }).click();
  await expect(bob.getByRole("button", { name: "Envoyer un essai" })).toBeVisible();
  const terminal = bob.getByRole("switch", { name: "Un terminal est partagé" });
  const stored = bob.waitForResponse((answer) => answer.url().endsWith("/preferences") && answer.ok());
  await terminal.click();
  await expect(terminal).not.toBeChecked();
  await stored;
  await bob.reload();
  await expect(terminal).not.toBeChecked();
  await bob.close();
  await expect(alice.getByRole("listitem", { name: "bob" })).not.toContainText("Online");

  await say(alice, "nobody else reads this");
  const told = await gotify.next();
  expect(told.message).toBe("alice a écrit dans Home.");
  expect(JSON.stringify(told)).not.toContain("nobody else");
  const room = told.extras["client::notification"].click.url;
  const back = await bob.context().newPage();
  await back.goto(room);
  await expect(back.getByText("nobody else reads this")).toBeVisible();
  gotify.stop();
});

test("the browser shows a notice while no page is open, and leads to the room", async ({ browser, world }) => {
  const alice = await somebody(browser, { permissions: ["notifications"] });
  await setUp(alice, world);
  await alice.goto(`${world.url}/settings`);
  await expect(alice.getByRole("button", { name: "Notify here" })).toBeEnabled();
  // No push service is in reach here: the worker gets what one would deliver, from the browser's own tools.
  const tools = await alice.context().newCDPSession(alice);
  const registered = new Promise<string>((resolve) =>
    // Before it is activated, what is delivered reaches nobody.
    tools.on("ServiceWorker.workerVersionUpdated", ({ versions }) => {
      const found = versions.find(({ status }) => status === "activated")?.registrationId;
      if (found) resolve(found);
    }),
  );
  await tools.send("ServiceWorker.enable");
  await alice.evaluate(async () => {
    await navigator.serviceWorker.register("/worker.js");
    await navigator.serviceWorker.ready;
  });
  const url = `${world.url}/rooms/somewhere`;
  const notice = { title: "Home", body: "bob wrote in Home.", url, tag: "t" };
  const registrationId = await registered;
  const deliver = () =>
    tools.send("ServiceWorker.deliverPushMessage", { origin: world.url, registrationId, data: JSON.stringify(notice) });
  const shown = () =>
    alice.evaluate(async () => {
      const registration = await navigator.serviceWorker.ready;
      const all = await registration.getNotifications();
      return all.map(({ title, body, tag, data }) => ({ title, body, tag, url: data }));
    });
  // A push service delivers until it was taken; what it delivers twice is one notice.
  await expect
    .poll(async () => {
      await deliver();
      return shown();
    })
    .toEqual([notice]);
  await deliver();
  expect(await shown()).toEqual([notice]);
});

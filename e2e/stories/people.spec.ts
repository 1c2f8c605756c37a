import { expect } from "@playwright/test";
import { invitation, join, register, say } from "../lib/people.ts";
import { setUp, somebody, test } from "../lib/world.ts";

test("two people write to each other and see each other come and go", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);
  const link = await invitation(alice);

  const bob = await somebody(browser);
  await join(bob, link, "bob");
  await expect(alice.getByRole("listitem", { name: "bob" })).toContainText("Online");
  await expect(bob.getByRole("listitem", { name: "alice" })).toContainText("Online");

  await say(alice, "hello Bob, <b>see</b> https://example.org");
  await expect(bob.getByText("hello Bob, <b>see</b>")).toBeVisible();
  await expect(bob.getByRole("link", { name: "https://example.org" })).toHaveAttribute("rel", /noopener/);
  await say(bob, "hello Alice");
  await expect(alice.getByText("hello Alice")).toBeVisible();

  // What was said is there after a reload, once.
  await alice.reload();
  await expect(alice.getByText("hello Alice")).toHaveCount(1);

  await bob.context().close();
  await expect(alice.getByRole("listitem", { name: "bob" })).toContainText("Offline");

  // The invitation was for one.
  const eve = await somebody(browser);
  await register(eve, link, "eve");
  await expect(eve.getByRole("alert")).toContainText(/invitation/i);
});

test("a wrong link and a used link say what to do", async ({ browser, world }) => {
  const page = await somebody(browser);
  await page.goto(`${world.url}/setup#token=AAAAAAAAAAAAAAAAAAAAAA`);
  await page.getByRole("textbox", { name: "Name" }).fill("alice");
  await page.getByRole("textbox", { name: "Password" }).fill("correct horse battery staple");
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("alert")).toContainText(/link/i);

  const owner = await somebody(browser);
  await setUp(owner, world);
  const link = await world.link("alice");
  const first = await somebody(browser);
  await first.goto(link);
  await expect(first.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
  const second = await somebody(browser);
  await second.goto(link);
  await expect(second.getByRole("alert")).toContainText(/link/i);
});

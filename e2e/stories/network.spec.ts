/** Pages behind routers, with a relay where nothing else gets through: what the diagnosis says, and calls that go on. */
import { expect, type Locator, type Page, test } from "@playwright/test";
import { accept, ringEverybody, stage } from "../lib/call.ts";
import { Internet, type Site } from "../lib/internet.ts";
import { invitation, join } from "../lib/people.ts";
import { setUp, somebody, World } from "../lib/world.ts";

test.skip(!Internet.possible, "not tried: only root may make networks");

let internet: Internet;
let world: World;

test.beforeEach(async () => {
  internet = await Internet.make();
  await internet.startRelay();
  world = await World.start(Internet.settings, internet.words);
});

test.afterEach(async () => {
  await world.stop();
  await internet.remove();
});

/** What the diagnosis says of each thing. */
async function diagnosis(page: Page): Promise<(name: string) => Locator> {
  await page.getByRole("banner").getByRole("button", { name: "Call", exact: true }).click();
  await page.getByRole("button", { name: "Test everything" }).click();
  const dialog = page.getByRole("dialog", { name: "What a call needs" });
  await expect(dialog.getByText("being tested")).toHaveCount(0, { timeout: 20_000 });
  return (name) => dialog.getByRole("listitem").filter({ hasText: new RegExp(`^${name}`) });
}

test("the diagnosis tells what stands between a page and others, whatever that is", async ({ launchOptions }) => {
  const at = async (site: Site): Promise<Page> => {
    const page = await somebody(await site.browser(launchOptions, world.url));
    await page.goto(await world.link("alice"));
    await expect(page.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
    return page;
  };
  const open = internet.site("none");
  await setUp(await somebody(await open.browser(launchOptions, world.url)), world);

  await test.step("nothing", async () => {
    const says = await diagnosis(await at(open));
    for (const name of ["STUN", "Relay over UDP", "Relay over TCP"]) await expect(says(name).first()).toContainText(": good");
    await expect(says("The way to others")).toContainText("nothing stands between");
    await open.close();
  });

  await test.step("a router", async () => {
    const site = internet.site("cone");
    const says = await diagnosis(await at(site));
    await expect(says("The way to others")).toContainText(": good");
    await expect(says("The way to others")).toContainText("behind a router. Calls are direct where");
    await site.close();
  });

  const site = internet.site("symmetric");
  await test.step("a router that shows everybody another port", async () => {
    const says = await diagnosis(await at(site));
    await expect(says("The way to others")).toContainText(": good");
    await expect(says("The way to others")).toContainText("shows everybody another port. Calls to others behind routers go through the relay");
    await site.close();
  });

  await test.step("a firewall that lets no UDP through", async () => {
    site.blockUdp();
    const says = await diagnosis(await at(site));
    await expect(says("STUN").first()).toContainText(": wrong");
    await expect(says("Relay over UDP")).toContainText(": wrong");
    await expect(says("Relay over TCP")).toContainText(": good");
    await expect(says("The way to others")).toContainText("through the relay over TCP");
    await site.close();
  });

  await test.step("no relay any more", async () => {
    await internet.killRelay();
    const says = await diagnosis(await at(site));
    for (const name of ["STUN", "Relay over UDP", "Relay over TCP"]) await expect(says(name).first()).toContainText(": wrong");
    await expect(says("The way to others")).toContainText(": wrong");
    await expect(says("The way to others")).toContainText("no relay is reached");
  });
});

test("two behind routers that show everybody another port call by way of the relay, and go on when it was killed and is back", async ({ launchOptions }) => {
  const [here, there] = [internet.site("symmetric"), internet.site("symmetric")];
  const alice = await somebody(await here.browser(launchOptions, world.url));
  await setUp(alice, world);
  const bob = await somebody(await there.browser(launchOptions, world.url));
  await join(bob, await invitation(alice), "bob");
  await ringEverybody(alice);
  await accept(bob);
  await expect(stage(alice).getByText(/^Relayed/)).toBeVisible();
  await expect(stage(bob).getByText(/^Relayed/)).toBeVisible();

  await internet.killRelay();
  await expect(stage(alice).getByText(/^Reconnecting/i).first()).toBeVisible();
  await internet.startRelay();
  await expect(stage(alice).getByText(/^Reconnecting/i)).toHaveCount(0, { timeout: 15_000 });
  await expect(stage(bob).getByText(/^Reconnecting/i)).toHaveCount(0);
  await expect(stage(alice).getByText(/^Relayed/)).toBeVisible();
});

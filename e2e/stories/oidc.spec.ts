import { expect, type Page } from "@playwright/test";
import { invitation } from "../lib/people.ts";
import { OpenIdProvider } from "../lib/provider.ts";
import { setUp, somebody, test, World } from "../lib/world.ts";

async function withProvider(settings: Record<string, string>, story: (world: World) => Promise<void>): Promise<void> {
  const provider = await OpenIdProvider.start();
  try {
    const world = await World.start({ ...provider.settings, ...settings });
    try {
      await provider.serve(world.url);
      await story(world);
    } finally {
      await world.stop();
    }
  } finally {
    await provider.stop();
  }
}

const button = (page: Page) => page.getByRole("button", { name: "Continue with Example" });

/** The provider's own pages: a name, and whether Mesh may know it. */
async function signInThere(page: Page, name: string): Promise<void> {
  await page.getByPlaceholder("Enter any login").fill(name);
  await page.getByPlaceholder("and password").fill("anything");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
}

async function signOut(page: Page, world: World): Promise<void> {
  await page.goto(`${world.url}/settings`);
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(button(page)).toBeVisible();
}

test("an invitation is accepted with the provider's account, which signs in from then on", async ({ browser }) => {
  await withProvider({}, async (world) => {
    const alice = await somebody(browser);
    await setUp(alice, world);

    const bob = await somebody(browser);
    await bob.goto(await invitation(alice));
    await button(bob).click();
    await signInThere(bob, "Bob");
    await expect(bob.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
    await expect(alice.getByRole("complementary").getByText("Bob").first()).toBeVisible();

    // The second time the provider knows him.
    await signOut(bob, world);
    await button(bob).click();
    await expect(bob.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();

    // Somebody whom nobody has invited is told what to do, and is not in.
    const carol = await somebody(browser);
    await carol.goto(`${world.url}/login`);
    await button(carol).click();
    await signInThere(carol, "Carol");
    await expect(carol.getByRole("alert")).toContainText("Open an invitation");
    await expect(carol).toHaveURL(`${world.url}/login`);
    await expect(carol.getByRole("textbox", { name: "Password" })).toBeVisible();

    // An account that exists is linked, and is the same afterwards.
    await alice.goto(`${world.url}/settings`);
    await alice.getByRole("button", { name: "Link", exact: true }).click();
    await signInThere(alice, "alice-at-example");
    await expect(alice.getByText("Your account signs in with Example.")).toBeVisible();
    await signOut(alice, world);
    await button(alice).click();
    await expect(alice.getByRole("heading", { name: "Home", level: 1 })).toBeVisible();
    await alice.goto(`${world.url}/settings`);
    await expect(alice.getByText("Signed in as alice")).toBeVisible();
  });
});

test("with passwords off there is the provider's button and no password", async ({ browser }) => {
  await withProvider({ MESH_LOCAL_LOGIN: "off", OIDC_REGISTER: "on" }, async (world) => {
    await setUp(await somebody(browser), world);
    const dora = await somebody(browser);
    await dora.goto(`${world.url}/pair?code=BCDF-GHJK`);
    await expect(button(dora)).toBeVisible();
    await expect(dora.getByRole("textbox", { name: "Password" })).toHaveCount(0);
    await button(dora).click();
    await signInThere(dora, "Dora");
    await expect(dora.getByRole("textbox", { name: "Code" })).toHaveValue("BCDF-GHJK");
  });
});

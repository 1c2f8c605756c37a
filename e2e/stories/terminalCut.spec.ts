import { hostname } from "node:os";
import { expect, test } from "@playwright/test";
import { Internet } from "../lib/internet.ts";
import { TerminalOnPage } from "../lib/terminal.ts";
import { setUp, somebody, World } from "../lib/world.ts";

const CUT_MS = 60_000;

test.skip(!Internet.possible, "not tried: only root may make networks");

test("a machine is cut off for a minute: the page keeps what it saw, and goes on with the same shell", async ({ launchOptions }) => {
  const internet = await Internet.make();
  const world = await World.start(Internet.settings, internet.words);
  try {
    const page = await somebody(await internet.site("none").browser(launchOptions, world.url));
    await setUp(page, world);
    const site = internet.site("none");
    const agent = world.agent("machine", site.words);
    const login = agent.run("login", await world.link("alice"), "--plaintext");
    expect(await login.exit, login.lines.join("\n")).toBe(0);
    await agent.up("--allow", "terminal:view", "--allow", "terminal:control");
    await page.getByRole("button", { name: "Terminal", exact: true }).click();
    const terminal = new TerminalOnPage(page, hostname());
    await terminal.readAloud();
    await terminal.takeControl();
    await terminal.type("echo shell $$; (sleep 30; echo written-$((6*7))-meanwhile) &\n");
    const shell = terminal.text.getByText(/^shell \d+/);
    await expect(shell).toBeVisible();
    const before = await shell.innerText();

    site.pull();
    const over = new Promise((resolve) => setTimeout(resolve, CUT_MS));
    await expect(terminal.region.getByText(/This is the last that was seen/)).toBeVisible({ timeout: CUT_MS });
    await expect(shell).toHaveText(before);
    await expect(terminal.text).not.toContainText("written-42-meanwhile");
    await over;
    site.plug();

    await expect(terminal.text).toContainText("written-42-meanwhile", { timeout: 60_000 });
    await expect(shell).toHaveText(before);
    // Control did not outlive the cut: it is asked for again, and the same shell answers.
    await terminal.takeControl();
    await terminal.type("echo still $$\n");
    await expect(terminal.line(before.trim().replace("shell", "still"))).toBeVisible();
  } finally {
    await world.stop();
    await internet.remove();
  }
});

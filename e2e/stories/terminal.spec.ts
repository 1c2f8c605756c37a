import { hostname } from "node:os";
import { expect } from "@playwright/test";
import { TerminalOnPage } from "../lib/terminal.ts";
import { setUp, somebody, test } from "../lib/world.ts";

test("setup link, room, a terminal to look at, then to type in", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);

  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "terminal:view", "--allow", "terminal:control");
  const machine = page.getByRole("listitem", { name: hostname() });
  await machine.getByRole("button", { name: "Terminal" }).click();

  const terminal = new TerminalOnPage(page, hostname());
  await expect(terminal.region.getByText("View only")).toBeVisible();
  await expect(page.getByText(/^Direct/).first()).toBeVisible();
  await terminal.readAloud();
  await expect(terminal.text).toContainText(/[$#]/);

  // To look is not to type: nothing of this may reach the shell.
  await terminal.type("echo not-yours\n");
  await terminal.takeControl();
  await terminal.type("echo $((6*7))\n");
  await expect(terminal.line("42")).toBeVisible();
  await expect(terminal.text).not.toContainText("not-yours");

  await page.getByRole("button", { name: "Give back control" }).click();
  await expect(terminal.region.getByText("View only")).toBeVisible();
});

test("a late viewer sees what was on the screen before, and the shell outlives every viewer", async ({ browser, world }) => {
  const first = await somebody(browser);
  await setUp(first, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "terminal:view", "--allow", "terminal:control");

  await first.getByRole("button", { name: "Terminal", exact: true }).click();
  const typing = new TerminalOnPage(first, hostname());
  await typing.readAloud();
  await typing.takeControl();
  await typing.type("echo written-$((6*7))-before\n");
  await expect(typing.text).toContainText("written-42-before");
  await first.context().close();

  const late = await somebody(browser);
  await late.goto(await world.link("alice"));
  await late.getByRole("button", { name: "Terminal", exact: true }).click();
  const looking = new TerminalOnPage(late, hostname());
  await looking.readAloud();
  await expect(looking.text).toContainText("written-42-before");
});

test("a refusal is one clear sentence", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--deny");
  await page.getByRole("button", { name: "Terminal", exact: true }).click();
  const terminal = page.getByRole("region", { name: `Terminal of ${hostname()}` });
  await expect(terminal.getByRole("alert")).toHaveText("The other side said no.");
  await expect(terminal.getByRole("button", { name: "Ask again" })).toBeVisible();
});

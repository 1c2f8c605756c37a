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

test("consent is asked in the machine's terminal: no is one clear sentence, yes opens it", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.startInTerminal(await world.link("alice"));
  await page.getByRole("button", { name: "Terminal", exact: true }).click();
  await agent.program.asked(/wants to watch a terminal of this device\. Allow it\? \[y\/N\]/);
  agent.program.type("n\r");
  const region = page.getByRole("region", { name: `Terminal of ${hostname()}` });
  await expect(region.getByRole("alert")).toHaveText("The other side said no.");

  await region.getByRole("button", { name: "Ask again" }).click();
  await agent.program.asked(/wants to watch a terminal of this device\. Allow it\? \[y\/N\]/);
  agent.program.type("y\r");
  const terminal = new TerminalOnPage(page, hostname());
  await terminal.readAloud();
  await expect(terminal.text).toContainText(/[$#]/);
});

test("a machine that answers nothing says so before the click", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--deny");
  await expect(page.getByRole("button", { name: "Terminal", exact: true })).toBeDisabled();
});

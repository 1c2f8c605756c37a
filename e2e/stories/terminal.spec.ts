import { hostname } from "node:os";
import { AxeBuilder } from "@axe-core/playwright";
import { expect } from "@playwright/test";
import { invitation, join } from "../lib/people.ts";
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

test("the owner lets a page of theirs decide, and says there who watches and who types", async ({ browser, world }) => {
  const alice = await somebody(browser);
  await setUp(alice, world);
  const agent = world.agent("machine");
  await agent.startInTerminal(await world.link("alice"));
  await alice.getByRole("button", { name: "Terminal", exact: true }).click();
  await agent.program.asked(/wants to watch a terminal of this device\. Allow it\? \[y\/N\]/);
  agent.program.type("y\r");
  const hers = new TerminalOnPage(alice, hostname());
  await hers.readAloud();
  await expect(hers.text).toContainText(/[$#]/);

  await alice.getByRole("button", { name: "More about this terminal" }).click();
  await alice.getByRole("menuitemcheckbox", { name: "Decide here who watches and types" }).click();
  await agent.program.asked(/wants to decide in your place .* Allow it\? \[y\/N\]/);
  agent.program.type("y\r");
  await expect(hers.region.getByText("You decide here who watches and who types.")).toBeVisible();

  const bob = await somebody(browser);
  await join(bob, await invitation(alice), "bob");
  await bob.getByRole("button", { name: "Terminal", exact: true }).click();
  const questions = alice.getByRole("region", { name: `Questions of ${hostname()}` });
  await expect(questions.getByRole("alert")).toContainText(/^bob .* asks to watch/);
  await questions.getByRole("button", { name: "Allow once" }).click();
  const his = new TerminalOnPage(bob, hostname());
  await expect(his.region.getByText("View only", { exact: true })).toBeVisible();
  await expect(questions).toHaveCount(0);
  await expect(hers.input).toBeFocused();

  // By keys, from where one types.
  await bob.getByRole("button", { name: "Ask for control" }).click();
  const once = questions.getByRole("button", { name: "Allow once" });
  await expect(once).toBeEnabled();
  await expect(once).toHaveAccessibleDescription(/^bob .* asks to type/);
  await expect(hers.input).toBeFocused();
  await alice.keyboard.press("Control+Shift+ArrowUp");
  await expect(once).toBeFocused();
  await alice.keyboard.press("Enter");
  await expect(his.region.getByText("You control this terminal")).toBeVisible();
  await expect(hers.input).toBeFocused();

  // Seen from the chat, too.
  await bob.getByRole("button", { name: "Give back control" }).click();
  await alice.getByRole("tab", { name: "Chat" }).click();
  await bob.getByRole("button", { name: "Ask for control" }).click();
  await questions.getByRole("button", { name: "No", exact: true }).click();
  await expect(his.region.getByText("View only · control was not granted")).toBeVisible();
});

test("a machine that answers nothing says so before the click", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--deny");
  await expect(page.getByRole("button", { name: "Terminal", exact: true })).toBeDisabled();
});

test("the keyboard goes to a terminal that opens, and a key leads out of it", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "terminal:view", "--allow", "terminal:control");
  await page.getByRole("button", { name: "Terminal", exact: true }).click();

  const terminal = new TerminalOnPage(page, hostname());
  await expect(terminal.input).toBeFocused();
  // Who only watches goes on with Tab, as anywhere in a page.
  await page.keyboard.press("Shift+Tab");
  await expect(page.getByRole("button", { name: "More about this terminal" })).toBeFocused();
  await page.keyboard.press("Tab");
  await expect(terminal.input).toBeFocused();
  await expect(terminal.input).toHaveAccessibleDescription(/only watch/);

  await terminal.readAloud();
  await terminal.takeControl();
  await expect(terminal.input).toBeFocused();
  await expect(terminal.input).toHaveAccessibleDescription(/Ctrl \+ Shift \+ ↑ leads to the bar/);
  await page.keyboard.type("echo $((6*7))\n");
  await expect(terminal.line("42")).toBeVisible();
  // Tab belongs to the shell now.
  await page.keyboard.press("Tab");
  await expect(terminal.input).toBeFocused();

  await page.keyboard.press("Control+Shift+ArrowUp");
  const back = page.getByRole("button", { name: "Give back control" });
  await expect(back).toBeFocused();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keyboard shortcuts" })).toContainText("Ctrl + Shift + ↑");
  await page.keyboard.press("Escape");
  await expect(back).toBeFocused();
});

test("open terminals are tabs: walked by the arrows, closed by a key or a button that stands outside of their list", async ({ browser, world }) => {
  const page = await somebody(browser);
  await setUp(page, world);
  for (const name of ["Desk", "Shed"]) {
    const agent = world.agent(name);
    expect(await agent.run("login", await world.link("alice"), "--device-name", name).exit).toBe(0);
    await agent.up("--allow", "terminal:view");
    await page.getByRole("listitem", { name }).getByRole("button", { name: "Terminal", exact: true }).click();
    await expect(page.getByRole("region", { name: `Terminal of ${name}` }).getByText("View only", { exact: true })).toBeVisible();
  }
  const tabs = page.getByRole("tablist", { name: "In this room" });
  const tab = (name: string) => tabs.getByRole("tab", { name });
  await expect(page.getByRole("tabpanel", { name: "Shed" })).toBeVisible();
  await expect(tabs.getByRole("button")).toHaveCount(0);
  expect((await new AxeBuilder({ page }).analyze()).violations).toEqual([]);

  // Each tab has its button beside it, as if they were one.
  for (const name of ["Desk", "Shed"]) {
    const button = page.getByRole("button", { name: `Close the terminal of ${name}` });
    const [left, right] = await Promise.all([tab(name).boundingBox(), button.boundingBox()]);
    expect(right?.x).toBeCloseTo((left?.x ?? 0) + (left?.width ?? 0), 0);
  }

  // One tab takes part in the order of the page; the arrows go round, and what has the focus is opened by Enter.
  await tab("Shed").focus();
  await page.keyboard.press("ArrowRight");
  await expect(tab("Chat")).toBeFocused();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  await expect(tab("Desk")).toBeFocused();
  await expect(tab("Shed")).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("tabpanel", { name: "Desk" })).toBeVisible();
  await tab("Desk").focus();
  await page.keyboard.press("Tab");
  await expect(page.getByRole("button", { name: "Close the terminal of Desk" })).toBeFocused();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Home");
  await page.keyboard.press("Delete");
  await expect(tabs.getByRole("tab")).toHaveCount(3);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Delete");
  await expect(tab("Desk")).toHaveCount(0);
  await expect(tab("Shed")).toBeFocused();
  await expect(tab("Chat")).toHaveAttribute("aria-selected", "true");
  await page.getByRole("button", { name: "Close the terminal of Shed" }).click();
  await expect(tabs).toBeHidden();
  await expect(page.getByRole("textbox", { name: "Message", exact: true })).toBeFocused();
});

test("on a phone the text of a wide terminal is readable, panned by a finger, and follows what is typed", async ({ browser, world }) => {
  const page = await somebody(browser, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "terminal:view", "--allow", "terminal:control");
  await page.getByRole("button", { name: "People" }).click();
  await page.getByRole("button", { name: "Terminal", exact: true }).click();

  const terminal = new TerminalOnPage(page, hostname());
  await terminal.takeControl();
  await terminal.readAloud();
  await expect(terminal.text).toContainText(/[$#]/);
  const { content, view } = await terminal.box.evaluate((box) => ({ content: box.scrollWidth, view: box.clientWidth }));
  expect(content).toBeGreaterThan(1.4 * view);
  expect(await terminal.scrolled()).toMatchObject({ left: 0 });

  await terminal.swipe(-150, 0);
  const { left } = await terminal.scrolled();
  expect(left).toBeGreaterThan(100);
  for (let i = 0; i < 3; i++) await terminal.swipe(150, 0);
  await expect.poll(() => terminal.scrolled()).toMatchObject({ left: 0 });

  // The end of a long line is where somebody looks who types it, and the beginning of the next one after it.
  await terminal.type(`echo ${"0123456789".repeat(8)}`);
  await expect.poll(async () => (await terminal.scrolled()).left).toBeGreaterThan(100);
  await terminal.type("\n");
  await expect.poll(() => terminal.scrolled()).toMatchObject({ left: 0 });

  // Older lines are above the first one.
  await terminal.type("seq 1000 1100\n");
  await expect(terminal.line("1100")).toBeVisible();
  await expect(terminal.line("1000")).toHaveCount(0);
  for (let i = 0; i < 8; i++) await terminal.swipe(0, 200);
  await expect(terminal.line("1000")).toBeVisible();

  await page.getByRole("button", { name: "Text size" }).click();
  await page.getByRole("button", { name: "Show all columns" }).click();
  await expect.poll(() => terminal.box.evaluate((box) => box.scrollWidth - box.clientWidth)).toBe(0);
  await page.getByRole("button", { name: "Larger text" }).click();
  await expect.poll(() => terminal.box.evaluate((box) => box.scrollWidth - box.clientWidth)).toBeGreaterThan(0);
  const before = await terminal.box.evaluate((box) => box.scrollWidth);
  await page.keyboard.press("Escape");
  await terminal.pinch(2);
  await expect.poll(() => terminal.box.evaluate((box) => box.scrollWidth)).toBeGreaterThan(1.5 * before);
  // The page itself stays where it is.
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
});

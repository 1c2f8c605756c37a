import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, type Page } from "@playwright/test";
import { invitation, join } from "../lib/people.ts";
import { TerminalOnPage } from "../lib/terminal.ts";
import { setUp, somebody, test } from "../lib/world.ts";

/** Where a text may stand when it breaks out. */
const BEFORE = ["", '">', "'>", "</title>", "</textarea>", "-->", "]]>", "</script>"];

/** What would call `pwned`, if anything read it as more than text. */
const VECTORS = [
  "<script>pwned()</script>",
  "<img src=x onerror=pwned()>",
  "<svg onload=pwned()>",
  "<svg><script>pwned()</script></svg>",
  "<body onload=pwned()>",
  '<iframe src="javascript:pwned()"></iframe>',
  '<iframe srcdoc="<script>parent.pwned()</script>">',
  '<a href="javascript:pwned()">x</a>',
  "javascript:pwned()",
  "data:text/html,<script>pwned()</script>",
  "<details open ontoggle=pwned()>",
  "<input autofocus onfocus=pwned()>",
  "<video><source onerror=pwned()></video>",
  "<math><mtext><script>pwned()</script></mtext></math>",
  '<object data="javascript:pwned()">',
  '<embed src="javascript:pwned()">',
  '<form action="javascript:pwned()"><input type=submit></form>',
  "<style>@import 'javascript:pwned()'</style>",
  '<meta http-equiv=refresh content="0;url=javascript:pwned()">',
  '<base href="javascript:pwned()//">',
  'https://example.com/"onmouseover="pwned()',
  "{{constructor.constructor('pwned()')()}}",
  "${pwned()}",
  "[x](javascript:pwned())",
  "&lt;script&gt;pwned()&lt;/script&gt;",
];

const PAYLOADS = BEFORE.flatMap((before) => VECTORS.map((vector) => before + vector));

/** Counts what ran, what asked, and what the policy had to stop. */
async function watch(page: Page): Promise<string[]> {
  const seen: string[] = [];
  await page.exposeFunction("pwned", () => seen.push("ran"));
  await page.exposeFunction("stopped", (what: string) => seen.push(what));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      (window as unknown as { stopped(what: string): void }).stopped(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  page.on("dialog", (dialog) => {
    seen.push(dialog.type());
    void dialog.dismiss();
  });
  return seen;
}

/** A request of the page's own, with its cookie. */
async function post(page: Page, path: string, body: unknown): Promise<number> {
  return page.evaluate(
    async ([path, body]) => {
      const answer = await fetch(path as string, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      return answer.status;
    },
    [path, body] as const,
  );
}

test("t48: 200 texts that would be scripts are texts, in names, chat and titles", async ({ browser, world }) => {
  const alice = await somebody(browser);
  const ran = await watch(alice);
  await setUp(alice, world);
  const mallory = await somebody(browser);
  const ranThere = await watch(mallory);
  const name = VECTORS[1] ?? "";
  await join(mallory, await invitation(alice), name);
  await expect(alice.getByRole("listitem", { name, exact: true })).toBeVisible();

  const field = mallory.getByRole("textbox", { name: "Message", exact: true });
  for (const payload of PAYLOADS) {
    await field.fill(payload);
    await mallory.keyboard.press("Enter");
    await expect(field).toHaveValue("");
  }
  const log = alice.getByRole("log");
  await expect(log.getByText(PAYLOADS.at(-1) ?? "", { exact: true })).toBeVisible();
  await alice.reload();
  await expect(log.getByText(PAYLOADS.at(-1) ?? "", { exact: true })).toBeVisible();

  // As names of rooms, as far as they are names.
  let named = 0;
  for (const payload of PAYLOADS) {
    if ((await post(alice, "/rooms", { name: payload })) === 200) named++;
  }
  expect(named).toBeGreaterThan(150);
  await alice.reload();
  await expect(alice.getByRole("navigation").getByText(VECTORS[0] ?? "", { exact: true }).first()).toBeVisible();

  // As the name of a device, as what a terminal prints, and as its title.
  const agent = world.agent("machine");
  const device = VECTORS[2] ?? "";
  const login = agent.run("login", await world.link("alice"), "--device-name", device);
  expect(await login.exit, login.lines.join("\n")).toBe(0);
  await agent.up("--allow", "terminal:view", "--allow", "terminal:control");
  await alice.getByRole("listitem", { name: device }).getByRole("button", { name: "Terminal" }).click();
  const terminal = new TerminalOnPage(alice, device);
  await terminal.readAloud();
  await terminal.takeControl();
  await writeFile(
    path.join(agent.home, "titles"),
    PAYLOADS.map((payload) => `\u001b]0;${payload}\u0007${payload}\r\n`).join("") + "the-end\r\n",
  );
  await terminal.type(`cat ${path.join(agent.home, "titles")}\n`);
  await expect(terminal.line("the-end")).toBeVisible();

  const links = await alice.locator("a[href]").evaluateAll((all) => all.map((a) => new URL((a as HTMLAnchorElement).href).protocol));
  expect(links.filter((protocol) => !/^https?:$/.test(protocol))).toEqual([]);
  const handlers = await alice.evaluate(
    () => [...document.querySelectorAll("*")].filter((e) => [...e.attributes].some((a) => a.name.startsWith("on"))).length,
  );
  expect(handlers).toBe(0);
  expect([...ran, ...ranThere]).toEqual([]);
  console.log(`${PAYLOADS.length} payloads in chat and terminal, ${named} as names: 0 ran, 0 had to be stopped`);
});

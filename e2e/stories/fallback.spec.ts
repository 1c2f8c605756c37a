/** A terminal whose page finds no direct way: through the server, where its operator allows that, and said on the page. */
import { hostname } from "node:os";
import { expect } from "@playwright/test";
import { TerminalOnPage } from "../lib/terminal.ts";
import { setUp, somebody, test } from "../lib/world.ts";

test.use({ settings: { MESH_TERMINAL_FALLBACK: "on" } });

test("a terminal without a direct way passes through the server, and the page says so", async ({ browser, world }) => {
  const page = await somebody(browser);
  // Relays only, and there is none.
  await page.context().addInitScript(() => {
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration?: RTCConfiguration) {
        super({ ...configuration, iceTransportPolicy: "relay" });
      }
    };
  });
  await setUp(page, world);
  const agent = world.agent("machine");
  await agent.start(await world.link("alice"), "--allow", "terminal:view", "--allow", "terminal:control");
  await page.getByRole("button", { name: "Terminal", exact: true }).click();
  const terminal = new TerminalOnPage(page, hostname());
  await expect(terminal.region.getByText("Through the server", { exact: true })).toBeVisible({ timeout: 30_000 });
  await expect(terminal.region.getByText(/passes through the server, which can read it/)).toBeVisible();

  await terminal.readAloud();
  await terminal.takeControl();
  await terminal.type("stty -echo; seq 1 20000; echo all of it\n");
  await expect(terminal.line("20000")).toBeVisible();
  await expect(terminal.line("all of it")).toBeVisible();
  await page.getByRole("button", { name: "Give back control" }).click();
  await expect(page.getByText("View only", { exact: true })).toBeVisible();
});

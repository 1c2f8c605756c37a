/** Who else is in the room of a call: who may not take part in it, who joins muted, and what one does there by the keyboard. */
import { expect, type Page } from "@playwright/test";
import { accept, more, people, pictures, ringEverybody, seesAndHears, stage, takeAway } from "../lib/call.ts";
import { test } from "../lib/world.ts";

interface Wire {
  socket: WebSocket;
  /** What came, and what was sent. */
  came: Frame[];
  sent: Frame[];
}

interface Frame {
  type: string;
  payload: Record<string, string>;
}

/** Keeps hold of the page's own socket, once it is loaded anew. */
async function tap(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const wire: Partial<Wire> = { came: [], sent: [] };
    Object.assign(window, { wire });
    window.WebSocket = class extends WebSocket {
      constructor(address: string | URL) {
        super(address);
        wire.socket = this;
        this.addEventListener("message", ({ data }) => wire.came?.push(JSON.parse(data)));
      }
      override send(data: string) {
        wire.sent?.push(JSON.parse(data));
        super.send(data);
      }
    };
  });
  await page.reload();
  await expect(page.getByRole("textbox", { name: "Message", exact: true })).toBeVisible();
}

test("a third person without the right begins no call, sees none of two others, and gets into it by no message either", async ({ browser, world }) => {
  const [alice, bob, carol] = await people(browser, world, "bob", "carol");
  await tap(alice);
  await tap(carol);
  await takeAway(alice, "carol");
  await expect(carol.getByRole("button", { name: "Call bob" })).toHaveCount(0);
  await expect(carol.getByRole("button", { name: "Show a screen to the room" })).toHaveCount(0);
  const begin = carol.getByRole("banner").getByRole("button", { name: "Call", exact: true });
  await expect(begin).toHaveAccessibleDescription("Your role may not call in this room.");
  await begin.click({ force: true });
  await expect(carol.getByRole("region", { name: "Before the call" })).toHaveCount(0);

  await alice.getByRole("button", { name: "Call bob" }).click();
  await alice.getByRole("region", { name: "Before the call" }).getByRole("button", { name: "Call", exact: true }).click();
  await accept(bob);
  for (const page of [alice, bob]) await seesAndHears(page, 1);
  await expect(carol.getByText("In a call here:")).toHaveCount(0);

  // She has learnt which call that is, and speaks to the server and to Bob's page by herself.
  const call = await alice.evaluate(() => {
    const { sent, came } = (window as unknown as { wire: Wire }).wire;
    const request = sent.find(({ type }) => type === "call.request")?.payload;
    return { room: request?.room_id, session: request?.session_id, bob: request?.target, alice: came.find(({ type }) => type === "system.welcome")?.payload.peer_id };
  });
  const refused = await carol.evaluate(async ({ room, session, bob, alice }) => {
    const { socket, came } = (window as unknown as { wire: Wire }).wire;
    const me = came.find(({ type }) => type === "system.welcome")?.payload.peer_id;
    const codes: unknown[] = [];
    for (const target_peer_id of [alice, bob])
      for (const right of ["call", "screen"]) {
        const body = JSON.stringify({ room_id: room, peer_id: me, caps: [right], session_id: session, target_peer_id });
        const answer = await fetch("/caps", { method: "POST", headers: { "content-type": "application/json" }, body });
        codes.push(((await answer.json()) as { code?: string }).code);
      }
    const about = { room_id: room, session_id: session };
    for (const [type, payload] of [
      ["call.accept", { target: alice }],
      ["call.request", { target: bob, cap_token: "none" }],
      ["rtc.offer", { target: bob, feature: "call", sdp: "v=0" }],
    ] as const) {
      const id = crypto.randomUUID();
      const answer = new Promise((resolve) =>
        socket.addEventListener("message", ({ data }) => {
          const { payload } = JSON.parse(data) as Frame;
          if (payload.ref === id) resolve(payload.code);
        }),
      );
      socket.send(JSON.stringify({ type, id, payload: { ...about, ...payload } }));
      codes.push(await answer);
    }
    return codes;
  }, call);
  expect(refused).toEqual([...Array(4).fill("CAP_NOT_ALLOWED"), ...Array(3).fill("CAP_REQUIRED")]);
  for (const page of [alice, bob]) {
    await expect(stage(page).getByRole("listitem", { name: "carol", exact: true })).toHaveCount(0);
    await seesAndHears(page, 1);
  }
  expect(await pictures(carol)).toEqual([]);
});

test("one joins muted and without a picture; keys turn both on, the space bar is for talking as long as it is held; one person is kept large", async ({
  browser,
  world,
}) => {
  const [alice, bob, carol] = await people(browser, world, "bob", "carol");
  await ringEverybody(alice);
  await accept(carol);
  await bob.getByRole("region", { name: /is calling$/ }).getByRole("button", { name: "Decline" }).click();
  await bob.getByRole("button", { name: "Join", exact: true }).click();
  const before = bob.getByRole("region", { name: "Before the call" });
  await before.getByRole("button", { name: "Turn the microphone off" }).click();
  await before.getByRole("button", { name: "Turn the camera off" }).click();
  await before.getByRole("button", { name: "Join", exact: true }).click();
  const his = stage(alice).getByRole("listitem", { name: "bob", exact: true });
  const muted = his.getByRole("img", { name: "Microphone off" });
  // How somebody is shown is told once they are connected, which takes its time beside the pictures of three.
  await seesAndHears(bob, 2);
  await expect(muted).toBeVisible();
  await expect(his.getByLabel("Picture of bob")).toBeHidden();

  await bob.keyboard.press("m");
  await expect(muted).toBeHidden();
  await bob.keyboard.press("m");
  await expect(muted).toBeVisible();
  await bob.keyboard.down("Space");
  await expect(muted).toBeHidden();
  await bob.keyboard.up("Space");
  await expect(muted).toBeVisible();
  await bob.keyboard.press("v");
  await expect(his.getByLabel("Picture of bob")).toBeVisible();
  // As in a mirror, and only for oneself.
  const turned = (picture: HTMLElement) => getComputedStyle(picture).transform;
  expect(await stage(bob).getByLabel("Picture of bob").evaluate(turned)).toBe("matrix(-1, 0, 0, 1, 0, 0)");
  expect(await his.getByLabel("Picture of bob").evaluate(turned)).toBe("none");

  const width = async (name: string) => (await stage(alice).getByRole("listitem", { name, exact: true }).boundingBox())?.width ?? 0;
  expect(await width("bob")).toBeCloseTo(await width("carol"), 0);
  await stage(alice).getByRole("button", { name: "Keep carol large" }).click();
  await expect.poll(async () => (await width("carol")) > 2 * (await width("bob"))).toBe(true);
  await stage(alice).getByRole("button", { name: "Unpin carol" }).click();
  // Carol alone is to be heard: of two who are as loud, the one goes on being shown who was heard first.
  await alice.keyboard.press("m");
  await stage(alice).getByRole("button", { name: "Show who speaks large" }).click();
  await expect.poll(async () => (await width("carol")) > 2 * (await width("bob"))).toBe(true);
  await stage(alice).getByRole("button", { name: "Show everybody alike" }).click();
  await expect.poll(async () => Math.round((await width("carol")) - (await width("bob")))).toBe(0);

  await more(alice, "Full screen");
  await expect.poll(() => alice.evaluate(() => document.fullscreenElement?.getAttribute("aria-label"))).toBe("Call in Home");
  await alice.evaluate(() => document.exitFullscreen());
});

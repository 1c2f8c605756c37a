/** People in a call, and what arrives at each of them: pictures that were decoded, sound that was heard. */
import { type Browser, type BrowserContextOptions, expect, type Page } from "@playwright/test";
import { invitation, join } from "./people.ts";
import { setUp, somebody, type World } from "./world.ts";

/** What a page of {@link caller} has on its window. */
export interface Watched {
  links: RTCPeerConnection[];
}

/** A page whose connections the test can ask. */
export async function caller(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await somebody(browser, { permissions: ["notifications"], ...options });
  await page.context().addInitScript(() => {
    const watched: Watched = Object.assign(window, { links: [] });
    window.RTCPeerConnection = class extends RTCPeerConnection {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        watched.links.push(this);
      }
    };
  });
  return page;
}

/** Alice with an account, and the others by her invitation, all in one room. */
export async function people<Names extends string[]>(
  browser: Browser,
  world: World,
  ...names: Names
): Promise<[Page, ...{ [Name in keyof Names]: Page }]> {
  const alice = await caller(browser);
  await setUp(alice, world);
  const others: Page[] = [];
  for (const name of names) {
    const page = await caller(browser);
    await join(page, await invitation(alice), name);
    await expect(alice.getByRole("listitem", { name })).toContainText("Online");
    others.push(page);
  }
  return [alice, ...(others as { [Name in keyof Names]: Page })];
}

/** What one connection has brought so far. */
interface Arrived {
  state: RTCPeerConnectionState;
  /** Pictures that were decoded. */
  frames: number;
  /** Of the sound: packets, and the energy of what was played of them. */
  packets: number;
  energy: number;
}

/** The connections of this page, but for those that ended. */
function connections(page: Page): Promise<Arrived[]> {
  return page.evaluate(async () => {
    const links = (window as unknown as Watched).links.filter(({ connectionState }) => connectionState !== "closed");
    return Promise.all(
      links.map(async (link) => {
        const one = { state: link.connectionState, frames: 0, packets: 0, energy: 0 };
        for (const report of (await link.getStats()).values() as Iterable<Record<string, unknown>>) {
          if (report.type !== "inbound-rtp") continue;
          if (report.kind === "video") one.frames += Number(report.framesDecoded ?? 0);
          if (report.kind !== "audio") continue;
          one.packets += Number(report.packetsReceived ?? 0);
          one.energy += Number(report.totalAudioEnergy ?? 0);
        }
        return one;
      }),
    );
  });
}

/** How many pictures have arrived at this page so far, by connection that stands. */
export async function pictures(page: Page): Promise<number[]> {
  return (await connections(page)).filter(({ state }) => state === "connected").map(({ frames }) => frames);
}

/** So many of the others are seen, with pictures that go on, and heard. */
export async function seesAndHears(page: Page, others: number): Promise<void> {
  await expect.poll(async () => (await pictures(page)).filter((count) => count > 5).length, { timeout: 30_000 }).toBe(others);
  const heard = async () => {
    const all = await connections(page);
    return all.filter(({ state, energy }) => state === "connected" && energy > 0).length === others || all;
  };
  await expect.poll(heard).toBe(true);
  const before = await pictures(page);
  await expect.poll(async () => (await pictures(page)).every((count, index) => count > (before[index] ?? 0))).toBe(true);
}

export const stage = (page: Page) => page.getByRole("region", { name: "Call in Home" });

/** Chooses from the menu of the call. */
export async function more(page: Page, what: string): Promise<void> {
  await stage(page).getByRole("button", { name: "More" }).click();
  await page.getByRole("menuitem", { name: what }).click();
}

/** Rings everybody in the room. */
export async function ringEverybody(page: Page): Promise<void> {
  await page.getByRole("banner").getByRole("button", { name: "Call", exact: true }).click();
  await page.getByRole("button", { name: "Ring everybody" }).click();
  await expect(stage(page)).toBeVisible();
}

export async function accept(page: Page): Promise<void> {
  await page.getByRole("region", { name: /is calling$/ }).getByRole("button", { name: "Accept" }).click();
  await expect(stage(page)).toBeVisible();
}

/** From now on guests may neither call nor show a screen, and this person is a guest. */
export async function takeAway(owner: Page, name: string): Promise<void> {
  const room = owner.url().split("/").at(-1) ?? "";
  const done = await owner.evaluate(
    async ([roomId, wanted]) => {
      const ask = (method: string, path: string, body?: object) =>
        fetch(`/rooms/${roomId}${path}`, { method, headers: { "content-type": "application/json" }, body: body && JSON.stringify(body) });
      const { members } = (await (await ask("GET", "/members")).json()) as { members: { user_id: string; name: string }[] };
      const member = members.find((one) => one.name === wanted);
      const policy = await ask("PATCH", "", { policy: { guest: ["share:file"] } });
      const role = await ask("PUT", `/members/${member?.user_id}`, { role: "guest" });
      return policy.ok && role.ok;
    },
    [room, name] as const,
  );
  expect(done).toBe(true);
}

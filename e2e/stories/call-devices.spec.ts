/** What one sets for oneself in a call: where it sounds, how the microphone hears, what stands behind one, where its picture floats. */
import { expect } from "@playwright/test";
import { accept, caller, more, people, ringEverybody, seesAndHears, stage, type Watched } from "../lib/call.ts";
import { setUp, test } from "../lib/world.ts";

/** A camera that blurs what is behind a person, as Media Capture and Streams Extensions has it; that of the tests cannot. */
function blurringCamera(): void {
  const asked: unknown[] = [];
  Object.assign(window, { asked });
  const camera = MediaStreamTrack.prototype;
  const { getCapabilities, applyConstraints } = camera;
  camera.getCapabilities = function () {
    const offered = getCapabilities.call(this);
    return this.kind === "video" ? Object.assign(offered, { backgroundBlur: [false, true] }) : offered;
  };
  camera.applyConstraints = async function (constraints) {
    const blur = constraints?.advanced?.find((set) => "backgroundBlur" in set);
    if (!blur) return applyConstraints.call(this, constraints);
    asked.push({ ...blur, live: this.readyState === "live" });
  };
}

test("one hears a call from another loudspeaker, without noise suppression, with the background blurred, in a picture of its own", async ({
  browser,
  world,
}) => {
  const [alice, bob] = await people(browser, world, "bob");
  await alice.evaluate(blurringCamera);
  await ringEverybody(alice);
  await accept(bob);
  await seesAndHears(alice, 1);
  await seesAndHears(bob, 1);

  await more(alice, "Devices…");
  const devices = alice.getByRole("dialog", { name: "Devices" });
  const loudspeaker = devices.getByRole("combobox", { name: "Loudspeaker" });
  await loudspeaker.click();
  await alice.getByRole("option").last().click();
  const chosen = await loudspeaker.inputValue();
  const his = stage(alice).getByLabel("Picture of bob");
  const sounds = () =>
    his.evaluate(async (video: HTMLVideoElement) => {
      const all = await navigator.mediaDevices.enumerateDevices();
      return all.find(({ kind, deviceId }) => kind === "audiooutput" && deviceId === video.sinkId)?.label;
    });
  await expect.poll(sounds).toBe(chosen);

  // What the others hear is what was opened anew.
  const suppressed = () =>
    alice.evaluate(() => {
      const links = (window as unknown as Watched).links.filter((link) => link.connectionState === "connected");
      const tracks = links.flatMap((link) => link.getSenders().map((sender) => sender.track));
      return tracks.find((track) => track?.kind === "audio")?.getSettings().noiseSuppression;
    });
  expect(await suppressed()).toBe(true);
  await devices.getByRole("switch", { name: "Suppress noise" }).click();
  await expect.poll(suppressed).toBe(false);

  await devices.getByRole("switch", { name: "Blur the background" }).click();
  const asked = () => alice.evaluate(() => (window as unknown as { asked: unknown[] }).asked);
  await expect.poll(asked).toEqual([{ backgroundBlur: true, live: true }]);
  await alice.keyboard.press("Escape");
  await expect(devices).toBeHidden();
  await seesAndHears(bob, 1);

  await more(alice, "Picture in picture");
  await expect.poll(() => alice.evaluate(() => document.pictureInPictureElement?.getAttribute("aria-label"))).toBe("Picture of bob");
  await alice.evaluate(() => document.exitPictureInPicture());
  await seesAndHears(alice, 1);
});

test("the page can be installed, and starts as a program of its own", async ({ browser, world }) => {
  const alice = await caller(browser);
  await setUp(alice, world);
  await alice.evaluate(() => navigator.serviceWorker.ready);
  const tools = await alice.context().newCDPSession(alice);
  const { errors, data } = await tools.send("Page.getAppManifest");
  expect(errors).toEqual([]);
  expect(JSON.parse(data ?? "{}")).toMatchObject({ name: "Mesh", display: "standalone", start_url: "/" });
  const { installabilityErrors } = await tools.send("Page.getInstallabilityErrors");
  // The pages of stories are private windows; nothing else is in the way.
  expect(installabilityErrors.map(({ errorId }) => errorId)).toEqual(["in-incognito"]);
});

import { defineConfig } from "@playwright/test";

/** Debian's own browser; nothing is downloaded, and nothing of it calls home. Its cameras give so many pictures a second. */
const chromium = (pictures: number) => ({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    // The terminal draws by WebGL, as it does for everybody, if on the processor.
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // A camera and a microphone that are drawn and beeped by the browser, allowed without a question; the whole screen is shown.
    // Three cameras: of the second one, whose pictures are of 16 bits, no encoder takes any.
    `--use-fake-device-for-media-stream=device-count=3,fps=${pictures}`,
    "--use-fake-ui-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
  ],
});
/** Pictures are encoded and decoded on the processor: a story sees in a few what a benchmark measures in as many as usual. */
const few = { launchOptions: chromium(5) };

export default defineConfig({
  // Every wait has a bound of its own. A story as a whole takes what the processor makes of it: this ends only what does not end.
  timeout: 600_000,
  expect: { timeout: 15_000 },
  // Each story has a server, agents and browsers of its own, and waits much of its time: two files at once keep two cores busy.
  workers: 2,
  retries: 0,
  forbidOnly: true,
  reporter: [["list"]],
  outputDir: "test-results",
  use: {
    launchOptions: chromium(20),
    actionTimeout: 60_000,
    navigationTimeout: 60_000,
    locale: "en-GB",
    colorScheme: "light",
    screenshot: "only-on-failure",
  },
  projects: [
    // Two calls at once starve each other.
    { name: "calls", testDir: "stories", testMatch: "call*.spec.ts", workers: 1, use: few },
    { name: "stories", testDir: "stories", testIgnore: "call*.spec.ts", use: few },
    { name: "screenshots", testDir: "screenshots", workers: 1 },
    { name: "bench", testDir: "bench", timeout: 30 * 60_000, workers: 1 },
    { name: "big", testDir: "big", timeout: 30 * 60_000, workers: 1 },
  ],
});

// Parts of the page are loaded when they are first needed. One that breaks off on its way, as all do when a phone changes
// its network, is asked for again.

const TRIES = 5;
const AGAIN_AFTER_MS = 2_000;

export async function patiently<Part>(load: () => Promise<Part>): Promise<Part> {
  for (let tries = 1; ; tries++) {
    try {
      return await load();
    } catch (error) {
      if (tries === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
    }
  }
}

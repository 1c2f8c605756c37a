/** A room in which much was said. */
import type { Page } from "@playwright/test";

/** Writes messages as fast as the server stores them, by a socket of its own beside the page's. */
export function write(page: Page, room: string, count: number): Promise<void> {
  return page.evaluate(
    async ({ room, count }) => {
      const asked = await fetch("/ws/ticket", { method: "POST" });
      const { ticket } = (await asked.json()) as { ticket: string };
      await new Promise<void>((done, failed) => {
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws?token=${ticket}`);
        const say = (type: string, payload: object) => socket.send(JSON.stringify({ type, payload: { room_id: room, ...payload } }));
        let [sent, stored] = [0, 0];
        const more = () => {
          for (; sent < count && sent < stored + 8; sent++)
            say("chat.message.create", {
              client_id: crypto.randomUUID(),
              text: `Message ${sent}: ${"words that somebody wrote ".repeat(1 + (sent % 7))}`,
            });
          if (stored === count) {
            socket.close();
            done();
          }
        };
        socket.onmessage = ({ data }) => {
          const { type } = JSON.parse(data as string) as { type: string };
          if (type === "ack") stored++;
          if (type === "error") failed(new Error(data as string));
          if (type === "room.state" || type === "ack") more();
        };
        socket.onopen = () => say("room.join", {});
        socket.onclose = ({ code }) => failed(new Error(`closed: ${code}`));
      });
    },
    { room, count },
  );
}

/** Scrolls up until everything is there. */
export async function loadAll(page: Page): Promise<void> {
  await page.getByRole("log").evaluate(async (list) => {
    while (!list.querySelector("article")?.textContent?.includes("Message 0:")) {
      list.scrollTop = 0;
      await new Promise(requestAnimationFrame);
    }
  });
}

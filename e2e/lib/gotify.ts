/** A Gotify as its clients see it: `POST /message` after its published interface (spec.json, createMessage). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface GotifyMessage {
  title: string;
  message: string;
  priority: number;
  extras: { "client::notification": { click: { url: string } } };
}

export class Gotify {
  static readonly token = "AbCdEfGhIjKlMnO";
  private readonly came: GotifyMessage[] = [];
  private readonly waiting: ((message: GotifyMessage) => void)[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<Gotify> {
    const server = createServer();
    const gotify = new Gotify(server);
    server.on("request", (request, response) => void gotify.take(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return gotify;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The next message, past or to come. */
  async next(): Promise<GotifyMessage> {
    const past = this.came.shift();
    return past ?? new Promise((resolve) => this.waiting.push(resolve));
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += chunk;
    const answer = (status: number, body: object) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const refuse = (status: number, error: string) =>
      answer(status, { error, errorCode: status, errorDescription: error });
    if (request.method !== "POST" || request.url !== "/message") return void refuse(404, "Not Found");
    if (request.headers["x-gotify-key"] !== Gotify.token) return void refuse(401, "Unauthorized");
    const message = JSON.parse(text) as GotifyMessage;
    const right =
      request.headers["content-type"] === "application/json" &&
      typeof message.title === "string" &&
      typeof message.message === "string" &&
      message.message !== "" &&
      Number.isInteger(message.priority);
    if (!right) return void refuse(400, "Bad Request");
    answer(200, { id: 25, appid: 5, date: "2026-01-01T00:00:00Z", ...message });
    const next = this.waiting.shift();
    if (next) next(message);
    else this.came.push(message);
  }
}

// A relay on npm's ws: by target, else by room; with CHECK set, each message's capability is verified (HS256, the
// cheapest signature that jsonwebtoken has).
import { randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import jwt from "jsonwebtoken";
import { WebSocketServer } from "ws";

const check = process.env.CHECK === "1";
const secret = randomBytes(32);
const peers = new Map();
const rooms = new Map();

const http = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  const answer = JSON.stringify({ cap_token: jwt.sign(JSON.parse(body), secret) });
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(answer) });
  response.end(answer);
});
const server = new WebSocketServer({ server: http, perMessageDeflate: false, maxPayload: 65536 });

function allowed(payload, from) {
  try {
    const claims = jwt.verify(payload.cap_token, secret, { algorithms: ["HS256"] });
    return claims.sub === from && claims.room_id === payload.room_id && claims.caps.includes("rtc")
      && (!claims.target_peer_id || claims.target_peer_id === payload.target);
  } catch {
    return false;
  }
}

server.on("connection", (socket, request) => {
  const query = new URL(request.url, "http://localhost").searchParams;
  const [id, room] = [query.get("id"), query.get("room")];
  peers.set(id, socket);
  if (room) {
    if (!rooms.has(room)) rooms.set(room, new Set());
    rooms.get(room).add(socket);
  }
  socket.on("message", (data) => {
    const { type, payload } = JSON.parse(data);
    if (check && !allowed(payload, id)) return socket.send('{"type":"error","payload":{"code":"CAP_REQUIRED"}}');
    const to = payload.target ?? payload.room_id;
    const out = JSON.stringify({ type, id: randomUUID(), timestamp: new Date().toISOString(), from: id, to, payload });
    if (payload.target) return peers.get(payload.target)?.send(out);
    for (const member of rooms.get(payload.room_id) ?? []) member.send(out);
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    peers.delete(id);
    rooms.get(room)?.delete(socket);
  });
  socket.send('{"type":"system.welcome","payload":{}}');
});
http.listen(Number(process.argv[2]), "127.0.0.1", 4096);

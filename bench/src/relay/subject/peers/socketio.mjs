// A relay on socket.io over WebSocket: each socket has a room of its own name, as is usual there.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, maxHttpBufferSize: 65536, serveClient: false });
io.on("connection", (socket) => {
  const { id, room } = socket.handshake.auth;
  socket.join(id);
  if (room) socket.join(room);
  socket.on("rtc.ice", (payload) => io.to(payload.target ?? payload.room_id).emit("rtc.ice", payload));
});
http.listen(Number(process.argv[2]), "127.0.0.1", 4096);

"""A Mesh client written from docs/protocol.md alone, with nothing but Python's standard library.

    client.py URL USERNAME PASSWORD INVITE

Signs in, joins the invitation's room, writes a chat message, asks the room's other peer for its terminal with a
capability, and relays an offer once that peer has accepted. Each step is a line of JSON on standard output.
"""

import base64
import json
import os
import socket
import struct
import sys
import urllib.request
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]


class Rest:
    """Section 1: JSON in and out, the session as a bearer token."""

    def __init__(self, base: str) -> None:
        self.base, self.token = base.rstrip("/"), ""

    def post(self, path: str, body: Json) -> Json:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


class WebSocket:
    """Section 3, over RFC 6455: text frames, one JSON object each; everything a client sends is masked."""

    def __init__(self, base: str, token: str) -> None:
        host, port = urlsplit(base).hostname, urlsplit(base).port or 80
        self.stream = socket.create_connection((host, port), timeout=10)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /ws HTTP/1.1",
            f"Host: {host}:{port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Authorization: Bearer {token}",
        ]
        self.stream.sendall("\r\n".join([*lines, "", ""]).encode())
        self.reader = self.stream.makefile("rb")
        status = self.reader.readline()
        assert b" 101 " in status, status
        while self.reader.readline().strip():
            pass

    def frame(self, opcode: int, body: bytes) -> None:
        length = bytes([0x80 | len(body)]) if len(body) < 126 else struct.pack("!BH", 0x80 | 126, len(body))
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))
        self.stream.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def send(self, kind: str, payload: Json, name: str = "") -> None:
        message = {"type": kind, "payload": payload} | ({"id": name} if name else {})
        self.frame(1, json.dumps(message).encode())

    def expect(self, kind: str) -> Json:
        """The next message of this type; what else comes is passed over."""
        while True:
            first, second = self.reader.read(2)
            length = second & 0x7F
            if length >= 126:
                form, size = ("!H", 2) if length == 126 else ("!Q", 8)
                (length,) = struct.unpack(form, self.reader.read(size))
            body = self.reader.read(length)
            if first & 0x0F == 9:
                self.frame(10, body)
            if first & 0x0F != 1:
                continue
            message = json.loads(body)
            if message["type"] == "error":
                raise SystemExit(f"refused: {message['payload']}")
            if message["type"] == kind:
                return message


def tell(step: str, **what: object) -> None:
    print(json.dumps({"step": step} | what), flush=True)


def main(base: str, username: str, password: str, invite: str) -> None:
    rest = Rest(base)
    session = rest.post("/auth/login", {"username": username, "password": password})
    rest.token = session["token"]
    tell("signed in", user_id=session["user_id"])

    room = rest.post("/rooms/join", {"invite": invite})["room_id"]
    ws = WebSocket(base, rest.token)
    me = ws.expect("system.welcome")["payload"]["peer_id"]
    ws.send("room.join", {"room_id": room})
    state = ws.expect("room.state")["payload"]
    other = next(peer["peer_id"] for peer in state["peers"] if peer["peer_id"] != me)
    tell("joined", room=state["name"], peers=len(state["peers"]))

    ws.send("chat.message.create", {"room_id": room, "client_id": "1", "text": "Hello from Python"}, "m1")
    ack = ws.expect("ack")["payload"]
    assert ack["ref"] == "m1"
    tell("chatted", seq=ack["seq"])

    fingerprint = "sha-256 " + ":".join(f"{byte:02X}" for byte in os.urandom(32))
    about = {"room_id": room, "session_id": "python-1"}
    wanted = {"peer_id": me, "target_peer_id": other, "caps": ["terminal:view"], "fingerprint": fingerprint}
    cap = rest.post("/caps", about | wanted)["cap_token"]
    claims = json.loads(base64.urlsafe_b64decode(cap.split(".")[1] + "=="))
    tell("capability", caps=claims["caps"], bound=claims["cnf"]["fp"] == fingerprint)

    towards = about | {"target": other, "cap_token": cap}
    ws.send("terminal.share.request", towards)
    ws.expect("terminal.share.accept")
    sdp = f"v=0\r\na=fingerprint:{fingerprint}\r\n"
    ws.send("rtc.offer", towards | {"feature": "terminal", "sdp": sdp})
    answer = ws.expect("rtc.answer")
    tell("answered", sdp=answer["payload"]["sdp"], by=answer["from"] == other)


if __name__ == "__main__":
    main(*sys.argv[1:5])

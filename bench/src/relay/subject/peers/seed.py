"""The relay that Mesh started from, as it was published, without what a measurement does not touch.

FastAPI and uvicorn; rooms and peers in memory; a session and a capability are HS256 tokens of one secret; each message
is parsed, its capability is decoded, and a new envelope is written for each receiver.
"""

import json
import secrets
import time
import uuid
from typing import Optional

import jwt
from fastapi import FastAPI, HTTPException, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

SECRET = secrets.token_hex(32)
ROOMS: dict[str, set[str]] = {}
PEERS: dict[str, WebSocket] = {}
CAPABILITIES = {"call.request": "call", "rtc.offer": "rtc", "rtc.answer": "rtc", "rtc.ice": "rtc"}
app = FastAPI()


class Login(BaseModel):
    username: str
    password: str


class NewRoom(BaseModel):
    name: str


class Ask(BaseModel):
    room_id: str
    peer_id: str
    caps: list[str]
    target_peer_id: Optional[str] = None
    max_size: Optional[int] = None


def sign(claims: dict, seconds: int) -> str:
    return jwt.encode({**claims, "exp": int(time.time()) + seconds}, SECRET, algorithm="HS256")


def event(kind: str, sender: str, to: str, payload: dict) -> str:
    return json.dumps({
        "type": kind,
        "id": str(uuid.uuid4()),
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "from": sender,
        "to": to,
        "payload": payload,
    })


def allows(token: Optional[str], capability: str, room: str, sender: str, target: Optional[str]) -> bool:
    if not token:
        return False
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        return False
    bound = claims.get("target_peer_id")
    return (
        claims.get("room_id") == room
        and claims.get("sub") == sender
        and capability in set(claims.get("caps") or [])
        and not (target and bound and bound != target)
    )


@app.post("/auth/login")
def login(ask: Login) -> dict:
    return {"token": sign({"sub": ask.username, "user_id": ask.username}, 3600)}


@app.post("/rooms")
def new_room(_: NewRoom) -> dict:
    room = str(uuid.uuid4())
    ROOMS[room] = set()
    return {"room_id": room}


@app.post("/caps")
def caps(ask: Ask) -> dict:
    if ask.room_id not in ROOMS:
        raise HTTPException(status_code=404, detail="Room not found")
    claims = ask.model_dump()
    claims["sub"] = claims.pop("peer_id")
    return {"cap_token": sign(claims, 120)}


@app.websocket("/ws")
async def relay(socket: WebSocket) -> None:
    await socket.accept()
    user = jwt.decode(socket.query_params["token"], SECRET, algorithms=["HS256"]).get("user_id")
    own = str(uuid.uuid4())
    PEERS[own] = socket
    await socket.send_text(event("system.welcome", "server", own, {"peer_id": own, "user_id": user}))
    try:
        while True:
            message = json.loads(await socket.receive_text())
            kind = message.get("type")
            payload = message.get("payload") or {}
            room = payload.get("room_id")
            target = payload.get("target") or payload.get("target_peer_id")
            if kind == "room.join":
                ROOMS[room].add(own)
                for member in list(ROOMS[room]):
                    joined = {"peer_id": own, "room_id": room}
                    await PEERS[member].send_text(event("room.joined", "server", room, joined))
                continue
            needed = CAPABILITIES.get(kind)
            if needed and not allows(payload.get("cap_token"), needed, room, own, target):
                await socket.send_text(event("error", "server", own, {"code": "CAP_REQUIRED", "detail": needed}))
                continue
            if target and target in PEERS:
                await PEERS[target].send_text(event(kind, own, target, payload))
                continue
            for member in list(ROOMS.get(room, ())):
                if member in PEERS:
                    await PEERS[member].send_text(event(kind, own, room, payload))
    except WebSocketDisconnect:
        pass
    finally:
        PEERS.pop(own, None)
        for members in ROOMS.values():
            members.discard(own)

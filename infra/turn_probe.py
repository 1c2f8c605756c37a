"""A small TURN client (RFC 8656) that asks a relay for one thing at a time and returns the error code it got.

It covers what check.py needs and nothing more: UDP, long-term credentials signed with a shared secret, allocations of
either address family, permissions and one send. 0 stands for success.
"""

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import os
import socket
import struct
import time

MAGIC_COOKIE = 0x2112A442
ALLOCATE, SEND, CREATE_PERMISSION = 0x003, 0x006, 0x008
INDICATION = 0x010
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, XOR_PEER_ADDRESS = 0x006, 0x008, 0x009, 0x012
DATA, REALM, NONCE, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT = 0x013, 0x014, 0x015, 0x017, 0x019
FAMILY = {4: 1, 6: 2}
UDP = 17
# Seconds, doubled each time as RFC 8489, section 6.2.1, has it; after the last ones nobody answers.
RETRANSMITTED_AFTER = (0.5, 1, 2, 4, 8)


def credentials(secret: str, user: str, expires_at: int) -> tuple[str, str]:
    """The ephemeral credentials that mesh-server hands out for `user`, valid until `expires_at` (unix seconds)."""
    username = f"{expires_at}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


class TurnClient:
    """One client port; it holds at most one allocation, which the relay drops when it is not refreshed."""

    def __init__(self, server: tuple[str, int], username: str, password: str):
        self._server = server
        self._username, self._password = username, password
        self._realm = self._nonce = b""
        self._socket = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def allocate(self, version: int = 4) -> int:
        """Asks for a relay address; the first answer is the challenge that carries realm and nonce."""
        wanted = _attribute(REQUESTED_TRANSPORT, bytes([UDP, 0, 0, 0]))
        wanted += _attribute(REQUESTED_ADDRESS_FAMILY, bytes([FAMILY[version], 0, 0, 0]))
        _, challenge = self._request(ALLOCATE, wanted)
        self._realm, self._nonce = challenge[REALM], challenge[NONCE]
        code, _ = self._request(ALLOCATE, wanted)
        return code

    def permit(self, peer: str) -> int:
        """Asks for leave to exchange packets with `peer`. Nothing is sent to it."""
        transaction = os.urandom(12)
        code, _ = self._request(CREATE_PERMISSION, _peer(peer, 0, transaction), transaction)
        return code

    def send(self, peer: str, port: int, data: bytes) -> None:
        """Sends `data` through the relay; a relay answers nothing to that, whatever it does with it."""
        transaction = os.urandom(12)
        attributes = _peer(peer, port, transaction) + _attribute(DATA, data)
        self._socket.sendto(_message(SEND | INDICATION, transaction, attributes), self._server)

    def _request(
        self, method: int, attributes: bytes, transaction: bytes | None = None
    ) -> tuple[int, dict[int, bytes]]:
        transaction = transaction or os.urandom(12)
        key = None
        if self._nonce:
            attributes += _attribute(USERNAME, self._username.encode())
            attributes += _attribute(REALM, self._realm) + _attribute(NONCE, self._nonce)
            key = hashlib.md5(b":".join([self._username.encode(), self._realm, self._password.encode()])).digest()
        found = _parse(self._answer(_message(method, transaction, attributes, key), transaction))
        error = found.get(ERROR_CODE)
        return (error[2] * 100 + error[3] if error else 0), found

    def _answer(self, request: bytes, transaction: bytes) -> bytes:
        """Sends a request, and again while no answer to it comes: a datagram may be lost."""
        for patience in RETRANSMITTED_AFTER:
            self._socket.sendto(request, self._server)
            until = time.monotonic() + patience
            while (left := until - time.monotonic()) > 0:
                self._socket.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    answer = self._socket.recv(2048)
                    if answer[8:20] == transaction:
                        return answer
        raise TimeoutError


def _message(kind: int, transaction: bytes, attributes: bytes, key: bytes | None = None) -> bytes:
    def header(length: int) -> bytes:
        return struct.pack("!HHI", kind, length, MAGIC_COOKIE) + transaction

    if key:
        # The signature covers a header whose length already counts it.
        signed = header(len(attributes) + 24) + attributes
        attributes += _attribute(MESSAGE_INTEGRITY, hmac.new(key, signed, hashlib.sha1).digest())
    return header(len(attributes)) + attributes


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _peer(peer: str, port: int, transaction: bytes) -> bytes:
    address = ipaddress.ip_address(peer)
    mask = struct.pack("!I", MAGIC_COOKIE) + transaction
    masked = bytes(a ^ b for a, b in zip(address.packed, mask))
    header = struct.pack("!xBH", FAMILY[address.version], port ^ (MAGIC_COOKIE >> 16))
    return _attribute(XOR_PEER_ADDRESS, header + masked)


def _parse(message: bytes) -> dict[int, bytes]:
    found, position = {}, 20
    while position < len(message):
        kind, length = struct.unpack_from("!HH", message, position)
        found[kind] = message[position + 4 : position + 4 + length]
        position += 4 + length + -length % 4
    return found

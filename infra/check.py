#!/usr/bin/env python3
"""Proves that what stands in this folder works, as far as that goes without containers.

Each check runs the real thing where there is one: Caddy in front of a stand-in for mesh-server, coturn on loopback with
real credentials; Caddy, nginx and Prometheus with the real mesh-server (served.py, monitored.py), for which target/debug has
to be built. It needs Python 3.11, `pip install -r requirements.txt`, and caddy, coturn, nginx with its stream module, openssl,
prometheus and systemd (Debian's do).

    python3 infra/check.py
"""

import contextlib
import http.client
import http.server
import ipaddress
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import jsonschema
import yaml

from checking import CHECKS, HERE, START_SECONDS, Failure, check, connects, expect, free_port, tool, wait_for
from turn_probe import TurnClient, credentials

COMPOSE = HERE / "docker-compose.yml"
# What is laid over it for TURN over TLS.
COMPOSE_TURNS = HERE / "docker-compose.turns.yml"

# Every special-purpose range of the IANA registries, and every IPv6 range that carries an IPv4 address.
DENIED_RANGES = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 "
        "203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
        "::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 "
        "2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8"
    ).split()
]
# What an attacker would really ask for, beside the two ends of each range.
DENIED_TARGETS = (
    "127.0.0.1 10.0.0.1 169.254.169.254 172.17.0.1 192.168.1.1 255.255.255.255 "
    "::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:192.168.1.1 "
    "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: fd00::1 fe80::1"
).split()
# Asked for leave only: no packet goes to either.
PUBLIC_PEERS = ["1.1.1.1", "2606:4700:4700::1111"]

# Gotify makes its token only after its first start.
OPTIONAL_SECRETS = {"GOTIFY_TOKEN"}

# ---- Settings -------------------------------------------------------------------------------------------------------


def example_settings() -> dict[str, str]:
    lines = (HERE / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def is_secret(name: str) -> bool:
    return name.endswith(("_SECRET", "_PASS", "_TOKEN"))


def filled_settings() -> dict[str, str]:
    """The example as an operator leaves it: every secret generated, and what TURN over TLS needs."""
    turns = {"TURN_LISTEN_IP": "203.0.113.11", "TURN_TLS_DOMAIN": "turn.example.com"}
    return {k: secrets.token_urlsafe(48) if is_secret(k) else v for k, v in example_settings().items()} | turns


VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<operator>:[-?])(?P<argument>[^}]*))?\}|(?P<other>.?))"
)


def interpolate(text: str, settings: dict[str, str]) -> str:
    """Compose's interpolation, as far as the file uses it: ${A}, ${A:-default}, ${A:?what to do}, $$."""

    def value(match: re.Match) -> str:
        if match["escaped"]:
            return "$"
        expect(match["name"], f"docker-compose.yml has a bare ${match['other']}: write ${{NAME}} or $$.")
        found = settings.get(match["name"], "")
        if found or match["operator"] is None:
            expect(match["name"] in settings, f"docker-compose.yml uses {match['name']}, which .env.example lacks.")
            return found
        expect(match["operator"] == ":-", f"{match['name']} is empty: {match['argument']}.")
        return match["argument"]

    lines = text.splitlines(keepends=True)
    return "".join(line if line.lstrip().startswith("#") else VARIABLE.sub(value, line) for line in lines)


def compose(file: Path = COMPOSE) -> dict:
    return yaml.safe_load(interpolate(file.read_text(), filled_settings()))


@check
def settings_match_the_example() -> str:
    example = example_settings()
    lines = [line for file in (COMPOSE, COMPOSE_TURNS) for line in file.open()]
    text = "".join(line for line in lines if not line.lstrip().startswith("#"))
    # Compose itself reads the one that is left.
    used = {match["name"] for match in VARIABLE.finditer(text) if match["name"]} | {"COMPOSE_FILE"}
    missing, unused = sorted(used - example.keys()), sorted(example.keys() - used)
    expect(not missing, f"docker-compose.yml uses {', '.join(missing)}, which .env.example lacks.")
    expect(not unused, f".env.example has {', '.join(unused)}, which docker-compose.yml never uses.")
    return f"the {len(used)} settings of docker-compose.yml are those of .env.example"


@check
def no_secret_has_a_default() -> str:
    example = example_settings()
    for name in filter(is_secret, example):
        expect(not example[name], f".env.example gives the secret {name} a value: leave it empty.")
    for match in VARIABLE.finditer(COMPOSE.read_text()):
        name = match["name"]
        if name and is_secret(name):
            required = match["operator"] == ":?" or name in OPTIONAL_SECRETS
            expect(required, f"docker-compose.yml starts without {name}: write ${{{name}:?what to do}}.")
            default = match["operator"] == ":-" and match["argument"]
            expect(not default, f"docker-compose.yml gives the secret {name} a default.")
    required = [name for name in example if is_secret(name) and name not in OPTIONAL_SECRETS]
    return f"no secret has a value to start with, and {', '.join(required)} left empty stop the start"


@check
def setup_makes_the_settings() -> str:
    answers = ["--domain", "mesh.example.com", "--email", "a@example.com", "--ip", "203.0.113.10"]
    turns = ["--turn-domain", "turn.example.com", "--turn-ip", "203.0.113.11/10.0.0.11"]

    def setup(folder: str, *arguments: str) -> tuple[int, str, dict[str, str]]:
        for name in ("setup", ".env.example"):
            Path(folder, name).write_bytes((HERE / name).read_bytes())
        done = subprocess.run(
            ["sh", "setup", *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        env = Path(folder, ".env")
        lines = env.read_text().splitlines() if env.exists() else []
        return done.returncode, done.stderr, dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        code, said, first = setup(one, *answers)
        expect(code == 0, f"setup failed: {said}")
        mode = Path(one, ".env").stat().st_mode & 0o777
        expect(mode == 0o600, f"setup leaves .env readable for others: {mode:o}.")
        code, said, again = setup(one, *answers)
        expect(code == 2 and "in use" in said and again == first, "setup replaces an .env that is there.")
        for wrong in (["--domain", "https://x"], ["--ip", "localhost"], ["--email", "nobody"], ["--turn-ip", "1.2.3.4"]):
            code, said, made = setup(two, *answers, *wrong)
            expect(code == 2 and said and not made, f"setup takes {' '.join(wrong)}.")
        code, said, second = setup(two, *answers, *turns)
        expect(code == 0, f"setup with TURN over TLS failed: {said}")
        left = sorted(path.name for folder in (one, two) for path in Path(folder).iterdir())
    expect(left == sorted([".env", ".env.example", "setup"] * 2), f"setup leaves {left}.")
    made = [name for name in first if is_secret(name) and name not in OPTIONAL_SECRETS]
    values = [settings[name] for settings in (first, second) for name in made]
    expect(len(set(values)) == len(values), "setup makes a secret twice.")
    # bcrypt, and with it Gotify, takes 72 bytes at most; mesh-server wants 32 at least.
    expect(all(32 <= len(value) <= 72 for value in values), "setup makes secrets that are too short or too long.")
    for file, settings in ((COMPOSE, first), (COMPOSE, second), (COMPOSE_TURNS, second)):
        yaml.safe_load(interpolate(file.read_text(), settings))
    return f"setup makes {len(made)} secrets, new each time, for its owner's eyes alone, and replaces nothing"


# ---- Compose and image ----------------------------------------------------------------------------------------------


@check
def compose_file_is_valid() -> str:
    schema = json.loads((HERE / "compose-spec.json").read_text())
    for file in (COMPOSE, COMPOSE_TURNS):
        try:
            jsonschema.validate(compose(file), schema)
        except jsonschema.ValidationError as error:
            where = ".".join(map(str, error.absolute_path))
            raise Failure(f"{file.name}, {where}: {error.message}") from error
    unknown = compose(COMPOSE_TURNS)["services"].keys() - compose()["services"].keys()
    expect(not unknown, f"docker-compose.turns.yml has services that are not in docker-compose.yml: {unknown}.")
    return "docker-compose.yml and docker-compose.turns.yml follow the Compose specification"


def expect_pinned(image: str, where: str) -> None:
    tag = image.rpartition(":")[2] if ":" in image else ""
    expect(re.search(r"^\d+\.\d+\.\d+|-\d{8}", tag), f"{where} uses {image}: pin it to one full version.")


@check
def images_are_pinned() -> str:
    images = {name: service["image"] for name, service in compose()["services"].items() if "image" in service}
    for name, image in images.items():
        expect_pinned(image, f"docker-compose.yml, {name},")
    bases = re.findall(r"^FROM (?!scratch)(\S+)", (HERE / "Dockerfile").read_text(), re.MULTILINE)
    for base in bases:
        expect_pinned(base, "Dockerfile")
    coturn = tuple(map(int, re.findall(r"\d+", images["coturn"].rpartition(":")[2])[:2]))
    expect(coturn >= (4, 18), f"docker-compose.yml uses {images['coturn']}: older than 4.18 lets mapped peers through.")
    return f"{', '.join([*images.values(), *bases])} are pinned"


@check
def services_are_hardened() -> str:
    services = compose()["services"]
    for name, service in services.items():
        expect(service.get("read_only"), f"docker-compose.yml, {name}: the root file system is writable.")
        expect(service.get("cap_drop") == ["ALL"], f"docker-compose.yml, {name}: capabilities are not dropped.")
        extra = set(service.get("cap_add", [])) - {"NET_BIND_SERVICE"}
        expect(not extra, f"docker-compose.yml, {name}: {', '.join(extra)} is more than it needs.")
        options = service.get("security_opt", [])
        expect("no-new-privileges:true" in options, f"docker-compose.yml, {name}: it may gain privileges.")
        expect(not service.get("privileged"), f"docker-compose.yml, {name}: it is privileged.")
    dockerfile = (HERE / "Dockerfile").read_text()
    users = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)
    expect(users and users[-1] not in ("root", "0"), "Dockerfile runs mesh-server as root.")
    expect("\nHEALTHCHECK " in dockerfile, "Dockerfile has no HEALTHCHECK, and Caddy waits for one.")
    waits = services["caddy"].get("depends_on", {}).get("mesh-server", {}).get("condition")
    expect(waits == "service_healthy", "docker-compose.yml, caddy: it does not wait for a healthy mesh-server.")
    return f"{', '.join(services)} are read-only, without capabilities or new privileges; mesh-server is not root"


@check
def only_the_proxy_is_published() -> str:
    services = compose()["services"]
    for name, service in services.items():
        for port in service.get("ports", []):
            loopback = str(port).startswith("127.0.0.1:")
            expect(name == "caddy" or loopback, f"docker-compose.yml, {name}: {port} is open to the network.")
        host = service.get("network_mode") == "host"
        expect(not host or name == "coturn", f"docker-compose.yml, {name}: it shares the network of the host.")
    return "only Caddy and coturn are open to the network; Gotify is published on loopback alone"


# ---- Caddy ----------------------------------------------------------------------------------------------------------


def caddy_environment(folder: str, **changes: str) -> dict[str, str]:
    """What docker-compose.yml hands to Caddy, and nothing more."""
    given = {name: value or "" for name, value in compose()["services"]["caddy"]["environment"].items()}
    return {"PATH": os.environ["PATH"], "HOME": folder, **given, **changes}


@check
def caddyfile_is_valid() -> str:
    command = [tool("caddy", "caddy"), "validate", "--adapter", "caddyfile", "--config", str(HERE / "caddy/Caddyfile")]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, env=caddy_environment(folder), capture_output=True, text=True)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    expect(done.returncode == 0, f"caddy/Caddyfile is refused: {' '.join(errors) or done.stderr.strip()}")
    return "caddy/Caddyfile is valid with the environment that docker-compose.yml gives it"


class StandIn(http.server.BaseHTTPRequestHandler):
    """mesh-server as Caddy sees it: it answers with the headers it got, and upgrades /ws to an echo."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/ws"):
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.connection.sendall(self.rfile.read(4))
            self.close_connection = True
            return
        body = json.dumps(dict(self.headers)).encode().ljust(2048)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Server", "stand-in")
        self.send_header("Strict-Transport-Security", "max-age=1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def caddy() -> Iterator[tuple[int, Path, http.server.ThreadingHTTPServer]]:
    """Caddy with the committed file on a free loopback port, in front of the stand-in."""
    port, upstream = free_port(), http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        environment = caddy_environment(
            folder,
            MESH_DOMAIN=f"http://127.0.0.1:{port}",
            MESH_UPSTREAM=f"127.0.0.1:{upstream.server_port}",
        )
        command = [tool("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(HERE / "caddy/Caddyfile")]
        log = Path(folder, "log")
        with log.open("wb") as sink:
            process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
        try:
            wait_for(lambda: connects(port), process, "Caddy", log)
            yield port, log, upstream
        finally:
            process.terminate()
            process.wait()
            upstream.server_close()


@check
def caddy_tells_the_truth_about_the_client() -> str:
    with caddy() as (port, _, _):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        connection.request("GET", "/health", headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"})
        answer = connection.getresponse()
        seen = json.loads(answer.read())
        connection.request("GET", "/health", headers={"Accept-Encoding": "gzip"})
        packed = connection.getresponse()
    forwarded = seen.get("X-Forwarded-For")
    alone = forwarded == "127.0.0.1"
    expect(alone, f"caddy/Caddyfile: X-Forwarded-For is {forwarded!r}, not the client's address alone.")
    proto = seen.get("X-Forwarded-Proto")
    expect(proto == "http", f"caddy/Caddyfile: X-Forwarded-Proto is {proto!r}, which the client chose.")
    expect(seen.get("Host") == f"127.0.0.1:{port}", "caddy/Caddyfile: the Host header does not reach mesh-server.")
    hsts = answer.headers.get_all("Strict-Transport-Security")
    expect(hsts == ["max-age=31536000"], f"caddy/Caddyfile: Strict-Transport-Security is {hsts}, not one year, once.")
    expect("Server" not in answer.headers, "caddy/Caddyfile: the Server header tells the software.")
    expect(packed.headers["Content-Encoding"] == "gzip", "caddy/Caddyfile: pages are not compressed.")
    return "Caddy passes on the client's address alone, whatever the client claims, and adds HSTS once"


@check
def sockets_pass_and_tickets_stay_secret() -> str:
    ticket = secrets.token_hex(16)
    upgrade = (
        f"GET /ws?token={ticket}&resume={ticket} HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Accept-Encoding: gzip\r\n\r\n"
    )
    with caddy() as (port, log, upstream):
        with socket.create_connection(("127.0.0.1", port), START_SECONDS) as client:
            client.sendall((upgrade % port).encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += client.recv(4096) or b"\r\n\r\n"
            status, _, headers = answer.partition(b"\r\n")
            expect(b" 101 " in status, f"caddy/Caddyfile: /ws is not upgraded: {status.decode()}")
            expect(b"content-encoding" not in headers.lower(), "caddy/Caddyfile: /ws is compressed.")
            client.sendall(b"ping")
            expect(client.recv(4) == b"ping", "caddy/Caddyfile: what is sent on /ws does not come back at once.")
        # With nothing behind it Caddy logs the request, and the ticket must not be in that line.
        upstream.shutdown()
        upstream.server_close()
        with socket.create_connection(("127.0.0.1", port), START_SECONDS) as client:
            client.sendall((upgrade % port).encode())
            expect(b" 502 " in client.recv(4096), "caddy/Caddyfile: no 502 while mesh-server is away.")
        wait_until = time.monotonic() + START_SECONDS
        while "REDACTED" not in log.read_text() and ticket not in log.read_text():
            expect(time.monotonic() < wait_until, "caddy/Caddyfile: a failed request leaves no line in the log.")
            time.sleep(0.05)
        expect(ticket not in log.read_text(), "caddy/Caddyfile: the ticket of /ws is written to the log.")
    return "/ws is upgraded, passed on at once and uncompressed; its ticket is not in the log"


# ---- coturn ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def coturn(*arguments: str) -> Iterator[Callable[..., TurnClient]]:
    """coturn as start.sh starts it, on loopback; yields a maker of clients."""
    tool("turnserver", "coturn")
    secret, port = secrets.token_urlsafe(48), free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "TURN_SECRET": secret,
            "TURN_REALM": "mesh",
            "TURN_EXTERNAL_IP": "127.0.0.1",
            "TURN_SETTINGS": str(HERE / "coturn/turnserver.conf"),
            "TURN_RUN_DIR": folder,
        }
        local = ["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--listening-ip=::1", "--relay-ip=::1"]
        command = ["sh", str(HERE / "coturn/start.sh"), *local, f"--listening-port={port}", *arguments]
        log = Path(folder, "log")
        with log.open("wb") as sink:
            process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink, cwd=folder)

        def client(
            user: str = "alice", lifetime: int = 600, key: str = secret, alter: Callable[..., Iterable[str]] = lambda *c: c
        ) -> TurnClient:
            given = credentials(key, user, int(time.time()) + lifetime)
            return TurnClient(("127.0.0.1", port), *alter(*given))

        try:
            wait_for(lambda: connects(port), process, "coturn", log)
            arguments_seen = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            expect(secret.encode() not in arguments_seen, "coturn/start.sh puts the secret on the command line.")
            yield client
        except TimeoutError as error:
            raise Failure("coturn did not answer in time.") from error
        finally:
            process.terminate()
            process.wait()


@check
def t28_relay_takes_ephemeral_credentials_only() -> str:
    with coturn() as client:
        for version in (4, 6):
            with client() as good:
                code = good.allocate(version)
                expect(code == 0, f"coturn refuses a good credential for IPv{version} with {code}.")
        altered = {
            "another secret's": {"key": "x" * 48},
            "expired": {"lifetime": -5},
            "expired for a day": {"lifetime": -86_400},
            "given a later end": {"lifetime": -5, "alter": lambda name, word: (f"9{name}", word)},
            "given another user": {"alter": lambda name, word: (name.replace("alice", "bob"), word)},
            "without an end": {"alter": lambda name, word: ("alice", word)},
            "altered in one letter": {"alter": lambda name, word: (name, word.swapcase())},
            "without a password": {"alter": lambda name, _: (name, "")},
        }
        for what, changes in altered.items():
            with client(**changes) as bad:
                code = bad.allocate()
                expect(code == 401, f"coturn answers {code} to a credential that is {what}, not 401.")
    return f"t28: coturn allocates with an ephemeral credential; {len(altered)} of {len(altered)} bad ones are answered 401"


@check
def t29_one_user_cannot_take_the_relay() -> str:
    ports, asked = 49200 - 49160 + 1, 100
    with coturn() as client, contextlib.ExitStack() as stack:
        codes = [stack.enter_context(client("alice", 600 + n)).allocate() for n in range(asked)]
        granted = codes.count(0)
        expect(0 < granted <= ports // 4, f"coturn gave one user {granted} of {ports} relay ports.")
        expect(set(codes) == {0, 486}, f"coturn answered {sorted(set(codes))} to a user over quota, not 486.")
        code = stack.enter_context(client("bob")).allocate()
        expect(code == 0, f"coturn refuses a second user with {code} while the first is at the quota.")
    return f"t29: of {asked} allocations of one user {granted} are granted ({ports} ports), and a second user is served"


@check
def deny_list_is_the_registry() -> str:
    found = re.findall(r"^denied-peer-ip=(\S+)", (HERE / "coturn/turnserver.conf").read_text(), re.MULTILINE)
    listed = {tuple(map(ipaddress.ip_address, ends.split("-"))) for ends in found}
    wanted = {(network[0], network[-1]) for network in DENIED_RANGES}
    # coturn takes a range from :: as one without a lower bound, and refuses :: itself in any case.
    zero, one = ipaddress.ip_address("::"), ipaddress.ip_address("::1")
    wanted = {(one if first == zero else first, last) for first, last in wanted}
    for word, ranges in {"lacks": wanted - listed, "has, beyond the registry,": listed - wanted}.items():
        expect(not ranges, f"coturn/turnserver.conf {word} " + ", ".join(f"{a}-{b}" for a, b in ranges) + ".")
    return f"coturn/turnserver.conf denies the {len(listed)} special-purpose ranges and no others"


@check
def t27_relay_refuses_every_special_address() -> str:
    peers = {str(end) for network in DENIED_RANGES for end in (network[0], network[-1])} | set(DENIED_TARGETS)
    with coturn() as client, client() as v4, client() as v6:
        by_version = {4: v4, 6: v6}
        for version, relay in by_version.items():
            expect(relay.allocate(version) == 0, f"coturn gives no IPv{version} relay to ask with.")
        for peer in PUBLIC_PEERS:
            code = by_version[ipaddress.ip_address(peer).version].permit(peer)
            expect(code == 0, f"coturn refuses the public peer {peer} with {code}: it denies too much.")
        for peer in sorted(peers):
            code = by_version[ipaddress.ip_address(peer).version].permit(peer)
            expect(code == 403, f"coturn answers {code} to the peer {peer}, not 403.")
    return f"t27: coturn answers 403 to {len(peers)} peers in {len(DENIED_RANGES)} ranges, and lets public ones pass"


@check
def t27_relay_delivers_nothing_to_special_addresses() -> str:
    peers = [*DENIED_TARGETS, "127.0.0.2", "0.0.0.0", "::"]

    def delivered(*arguments: str) -> bytes:
        """What arrives at a port of all addresses of this host, of a knock for each special address."""
        with coturn(*arguments) as client, client() as v4, client() as v6, socket.socket(
            socket.AF_INET6, socket.SOCK_DGRAM
        ) as service:
            service.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            service.bind(("::", 0))
            by_version = {4: v4, 6: v6}
            for version, relay in by_version.items():
                expect(relay.allocate(version) == 0, f"coturn gives no IPv{version} relay to send from.")
            for peer in peers:
                relay = by_version[ipaddress.ip_address(peer).version]
                relay.permit(peer)
                relay.send(peer, service.getsockname()[1], b"knock")
            # The answer to a further request comes after everything before it was relayed or dropped.
            for version, relay in by_version.items():
                relay.permit(PUBLIC_PEERS[version == 6])
            service.settimeout(0.2)
            arrived = b""
            with contextlib.suppress(TimeoutError):
                while True:
                    arrived += service.recv(64)
            return arrived

    arrived = delivered()
    expect(arrived == b"", f"coturn delivers {len(arrived)} bytes to special addresses.")
    opened = delivered("--allow-loopback-peers", "--allowed-peer-ip=127.0.0.1")
    expect(opened == b"knock", "coturn relays nothing even to an address that was opened for it.")
    return f"t27: coturn delivers 0 bytes to {len(peers)} special addresses, and all of them to one that was opened"


# ---- systemd --------------------------------------------------------------------------------------------------------


@check
def units_are_valid() -> str:
    analyze = tool("systemd-analyze", "systemd")
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"XDG_RUNTIME_DIR": folder}
        for name, scope in {"mesh-server": "--system", "mesh-turn": "--system", "mesh-agent": "--user"}.items():
            # The commands are not installed here, and verify looks for them.
            unit = Path(folder, f"{name}.service")
            text = (HERE / f"systemd/{name}.service").read_text()
            unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
            done = subprocess.run([analyze, scope, "verify", unit], env=environment, capture_output=True, text=True)
            said = done.stderr.strip().splitlines()
            expect(done.returncode == 0 and not said, f"systemd/{name}.service: {said[0] if said else 'refused'}")
        exposed = {name: exposure(analyze, Path(folder, f"{name}.service")) for name in ("mesh-server", "mesh-turn")}
    for name, points in exposed.items():
        expect(points <= 1.8, f"systemd/{name}.service is exposed by {points} of 10, more than 1.8.")
    return "the units are valid; exposed are, of 10: " + ", ".join(f"{name} {points}" for name, points in exposed.items())


def exposure(analyze: str, unit: Path) -> float:
    """By systemd's own count; 10 is a service without any protection."""
    command = [analyze, "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    expect(found, f"systemd-analyze security says nothing: {done.stderr.strip()}")
    return float(found[1])


def main() -> int:
    # They register themselves, after those of this file.
    import monitored  # noqa: F401
    import served  # noqa: F401

    failed = 0
    for run in CHECKS:
        try:
            print(f"ok    {run()}", flush=True)
        except (Failure, OSError, http.client.HTTPException) as failure:
            failed += 1
            print(f"FAIL  {failure if isinstance(failure, Failure) else f'{run.__name__}: {failure!r}'}", flush=True)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

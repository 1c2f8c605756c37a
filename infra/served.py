"""The real mesh-server behind the proxies that docs/operating.md describes, and the relay over TLS beside them.

The configurations are the committed ones: the Caddyfile as it is, the nginx blocks as they stand in the page, with addresses,
ports and paths of this machine put in. What a client sees is asked for with a real session and a real WebSocket.
"""

import base64
import contextlib
import http.client
import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from checking import HERE, START_SECONDS, check, connects, expect, free_port, running, tool
from turn_probe import TurnClient, credentials

ROOT = HERE.parent
PAGE = ROOT / "docs/operating.md"
DOMAIN, TURN_DOMAIN = "mesh.test", "turn.mesh.test"
PASSWORD = "correct horse battery staple"
# Where the client is, where it claims to be, and two addresses of this host.
CLIENT, CLAIMED, WEB_ADDRESS, TURN_ADDRESS = "127.0.0.9", "6.6.6.6", "127.0.0.2", "127.0.0.3"


def server_program() -> Path:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    program = target / "debug/mesh-server"
    expect(program.is_file(), f"{program} is missing: cargo build --package mesh-server")
    return program


@contextlib.contextmanager
def mesh_server(folder: Path, public_url: str, **settings: str) -> Iterator[int]:
    """mesh-server with the account alice and the room Home; yields its port."""
    program, port = server_program(), free_port()
    environment = {
        "MESH_DATA_DIR": str(folder / "data"),
        "MESH_LISTEN": f"127.0.0.1:{port}",
        "MESH_PUBLIC_URL": public_url,
        **settings,
    }

    def command(*arguments: str, say: str = "") -> str:
        done = subprocess.run(
            [program, *arguments], env=environment, cwd=folder, input=say, capture_output=True, text=True
        )
        expect(done.returncode == 0, f"mesh-server {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    command("user", "add", "alice", "--password-stdin", say=PASSWORD)
    command("room", "add", "Workshop", "--owner", "alice")
    log = folder / "mesh-server.log"
    with running([str(program)], log, lambda: connects(port), "mesh-server", env=environment, cwd=folder):
        yield port


class Browser:
    """A client at CLIENT that claims to be elsewhere, of the site DOMAIN at `address`; without TLS where there is no authority."""

    def __init__(self, address: tuple[str, int], authority: Path | None):
        self.address = address
        self.tls = ssl.create_default_context(cafile=str(authority)) if authority else None

    def connect(self) -> socket.socket:
        plain = socket.create_connection(self.address, START_SECONDS, source_address=(CLIENT, 0))
        return self.tls.wrap_socket(plain, server_hostname=DOMAIN) if self.tls else plain

    def ask(self, method: str, path: str, token: str = "", body: object = None) -> tuple[int, dict, object]:
        connection = http.client.HTTPConnection(DOMAIN)
        connection.sock = self.connect()
        headers = {"X-Forwarded-For": CLAIMED, "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        decoded = json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text
        return answer.status, answer.headers, decoded


def exactly(stream: socket.socket, count: int, closed: str) -> bytes:
    """So many bytes of a stream; `closed` is said where it ends before."""
    got = b""
    while len(got) < count:
        more = stream.recv(count - len(got))
        expect(more, closed)
        got += more
    return got


class WebSocket:
    """One socket at /ws, as RFC 6455 has it; whole text messages as JSON."""

    def __init__(self, browser: Browser, ticket: str):
        self.stream = browser.connect()
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        lines = (
            f"GET /ws?token={ticket} HTTP/1.1",
            f"Host: {DOMAIN}",
            f"Origin: https://{DOMAIN}",
            f"X-Forwarded-For: {CLAIMED}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
        )
        self.stream.sendall("\r\n".join([*lines, "", ""]).encode())
        self.status = int(self._line().split()[1])
        while self._line():
            pass

    def _exactly(self, count: int) -> bytes:
        return exactly(self.stream, count, "the WebSocket was closed.")

    def _line(self) -> str:
        line = b""
        while not line.endswith(b"\r\n"):
            line += self._exactly(1)
        return line.decode().strip()

    def receive(self, kind: str) -> dict:
        while True:
            first, length = self._exactly(2)
            if length == 126:
                length = int.from_bytes(self._exactly(2))
            payload = self._exactly(length)
            if first & 0x0F == 1 and (message := json.loads(payload))["type"] == kind:
                return message["payload"]

    def send(self, kind: str, payload: dict) -> None:
        text, mask = json.dumps({"type": kind, "payload": payload}).encode(), secrets.token_bytes(4)
        length = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + len(text).to_bytes(2)
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(text))
        self.stream.sendall(b"\x81" + length + mask + masked)


def expect_site(name: str, browser: Browser) -> str:
    """Signs in, opens the socket, says something; returns the ticket, which must be in no log."""
    status, headers, _ = browser.ask("GET", "/health")
    expect(status == 200, f"{name}: /health is answered with {status}.")
    hsts = headers.get_all("Strict-Transport-Security")
    expect(hsts == ["max-age=31536000"], f"{name}: Strict-Transport-Security is {hsts}, not one year, once.")
    status, _, session = browser.ask("POST", "/auth/login", body={"username": "alice", "password": PASSWORD})
    expect(status == 200, f"{name}: signing in is answered with {status}: {session}")
    token = session["token"]
    _, _, listed = browser.ask("GET", "/auth/sessions", token)
    addresses = [one["address"] for one in listed["sessions"]]
    expect(addresses == [CLIENT], f"{name}: mesh-server sees the client at {addresses}, and it is at {CLIENT}.")
    _, _, rooms = browser.ask("GET", "/rooms", token)
    room = rooms["rooms"][0]["room_id"]
    _, _, made = browser.ask("POST", "/ws/ticket", token, {})
    ticket = made["ticket"]
    web_socket = WebSocket(browser, ticket)
    expect(web_socket.status == 101, f"{name}: /ws is answered with {web_socket.status}.")
    web_socket.receive("system.welcome")
    web_socket.send("room.join", {"room_id": room})
    web_socket.receive("room.state")
    web_socket.send("chat.message.create", {"room_id": room, "client_id": "1", "text": "through the proxy"})
    web_socket.receive("ack")
    web_socket.stream.close()
    return ticket


# ---- Caddy ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def caddy(folder: Path, upstream: int, port: int, options: str = "", sites: tuple[str, ...] = (), **more: str) -> Iterator[Path]:
    """Caddy with the committed file and certificates of its own; yields the root of these."""
    configuration = folder / "caddy"
    (configuration / "sites").mkdir(parents=True)
    for source, to in [("Caddyfile", "Caddyfile"), *((site, f"sites/{site}") for site in sites)]:
        (configuration / to).write_bytes((HERE / "caddy" / source).read_bytes())
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "CADDY_EMAIL": "admin@example.com",
        # As an operator without a public name writes it; the other port is that of the way to HTTPS.
        "CADDY_OPTIONS": f"local_certs\nskip_install_trust\nhttp_port {free_port()}\nhttps_port {port}\n{options}",
        "MESH_DOMAIN": DOMAIN,
        "MESH_UPSTREAM": f"127.0.0.1:{upstream}",
        **more,
    }
    command = [tool("caddy", "caddy"), "run", "--adapter", "caddyfile", "--config", str(configuration / "Caddyfile")]
    root = folder / "caddy/pki/authorities/local/root.crt"
    site = folder / f"caddy/certificates/local/{DOMAIN}/{DOMAIN}.crt"
    log = folder / "caddy.log"
    with running(command, log, lambda: root.exists() and site.exists(), "Caddy", env=environment, cwd=folder):
        yield root


@check
def caddy_serves_the_real_server() -> str:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        with mesh_server(folder, f"https://{DOMAIN}") as upstream, caddy(folder, upstream, port) as root:
            ticket = expect_site("Caddy", Browser(("127.0.0.1", port), root))
            log = (folder / "caddy.log").read_text()
        expect(ticket not in log, "Caddy: the ticket of /ws is written to the log.")
    return f"Caddy serves mesh-server by TLS of its own CA: sign-in, WebSocket, chat, the client seen at {CLIENT}"


# ---- nginx ----------------------------------------------------------------------------------------------------------


def page_blocks(language: str) -> list[str]:
    """The fenced blocks of docs/operating.md in that language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def self_signed(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "site.crt", folder / "site.key"
    command = [tool("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={DOMAIN}"]
    command += ["-addext", f"subjectAltName=DNS:{DOMAIN},DNS:{TURN_DOMAIN}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    done = subprocess.run(command, capture_output=True, text=True)
    expect(done.returncode == 0, f"openssl: {done.stderr}")
    return certificate, key


def put_in(text: str, values: dict[str, str]) -> str:
    """The page's text with what is different on this machine; each has to stand there."""
    for old, new in values.items():
        expect(old in text, f"docs/operating.md, nginx: \"{old}\" is not in the block any more.")
        text = text.replace(old, new)
    return text


@contextlib.contextmanager
def nginx(folder: Path, http_block: str, stream_block: str, ports: list[int]) -> Iterator[None]:
    """nginx with blocks of the page in their places."""
    module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    expect(module.exists(), "nginx has no stream module: install the package libnginx-mod-stream.")
    configuration = folder / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration.write_text(
        f"load_module {module};\ndaemon off;\nuser root;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.start.log;\n"
        f"events {{}}\nhttp {{\n{temporary}{http_block}}}\n{stream_block}"
    )
    command = [tool("nginx", "nginx"), "-p", str(folder), "-e", str(folder / "nginx.start.log"), "-c", str(configuration)]
    log = folder / "nginx.log"
    with running(command, log, lambda: all(map(connects, ports)), "nginx"):
        yield


def nginx_site(folder: Path, upstream: int, plain: int, port: int, certificate: Path, key: Path) -> str:
    """The first nginx block of the page, for this machine."""
    block = page_blocks("nginx")[0]
    return put_in(
        block,
        {
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "listen [::]:80;": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
            "listen [::]:443 ssl http2;": "",
            "mesh.example.com;": f"{DOMAIN};",
            "/etc/letsencrypt/live/mesh.example.com/fullchain.pem": str(certificate),
            "/etc/letsencrypt/live/mesh.example.com/privkey.pem": str(key),
            "/var/log/nginx/": f"{folder}/",
            "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        },
    )


@check
def nginx_serves_the_real_server() -> str:
    with tempfile.TemporaryDirectory() as name:
        folder, plain, port = Path(name), free_port(), free_port()
        certificate, key = self_signed(folder)
        with mesh_server(folder, f"https://{DOMAIN}") as upstream:
            site = nginx_site(folder, upstream, plain, port, certificate, key)
            with nginx(folder, site, "", [plain, port]):
                ticket = expect_site("nginx", Browser(("127.0.0.1", port), certificate))
                connection = http.client.HTTPConnection("127.0.0.1", plain, timeout=START_SECONDS)
                connection.request("GET", "/rooms", headers={"Host": DOMAIN})
                moved = connection.getresponse()
                expect(
                    (moved.status, moved.headers["Location"]) == (301, f"https://{DOMAIN}/rooms"),
                    f"nginx: plain HTTP is answered with {moved.status} {moved.headers['Location']}.",
                )
        logs = "".join(path.read_text() for path in folder.glob("*.log"))
        expect("/ws" in logs and ticket not in logs, "nginx: the ticket of /ws is in a log, or /ws in none.")
    return f"nginx as docs/operating.md has it serves mesh-server by TLS: sign-in, WebSocket, chat, the client seen at {CLIENT}"


@check
def nginx_shares_its_port_with_turn() -> str:
    secret = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder, plain, port, web, turn, tls = Path(name), *(free_port() for _ in range(5))
        certificate, key = self_signed(folder)
        upstream = stack.enter_context(mesh_server(folder, f"https://{DOMAIN}"))
        stack.enter_context(coturn(folder, tls, secret, str(certificate), str(key)))
        _, stream, listen = page_blocks("nginx")
        stream = put_in(
            stream,
            {
                "turn.example.com": TURN_DOMAIN,
                "listen 443;": f"listen 127.0.0.1:{port};",
                "listen [::]:443;": "",
                "127.0.0.1:5348": f"127.0.0.1:{turn}",
                "127.0.0.1:5349": f"{TURN_ADDRESS}:{tls}",
                "127.0.0.1:8443": f"127.0.0.1:{web}",
            },
        )
        site = nginx_site(folder, upstream, plain, port, certificate, key)
        site = put_in(
            site, {f"listen 127.0.0.1:{port} ssl http2;": listen.replace("127.0.0.1:8443", f"127.0.0.1:{web}")}
        )
        stack.enter_context(nginx(folder, site, stream, [plain, port, web, turn]))
        expect_site("nginx by name", Browser(("127.0.0.1", port), certificate))
        with TlsRelay(("127.0.0.1", port), certificate, *credentials(secret, "alice", int(time.time()) + 600)) as relay:
            code = relay.allocate()
            expect(code == 0, f"coturn answers {code} to an allocation over TLS through nginx.")
    return f"nginx passes {TURN_DOMAIN} on to coturn on the port of the page, and still sees the client at {CLIENT}"


@check
def other_pages_are_well_formed() -> str:
    blocks = page_blocks("yaml")
    traefik = [parsed for block in blocks if isinstance(parsed := yaml.safe_load(block), dict) and "http" in parsed]
    expect(len(traefik) == 1, "docs/operating.md: there is no Traefik configuration of routers, or more than one.")
    routers, services = traefik[0]["http"]["routers"], traefik[0]["http"]["services"]
    for name, router in routers.items():
        expect(router["service"] in services, f"docs/operating.md, Traefik: {name} leads to no service.")
        missing = [one for one in router["middlewares"] if one not in traefik[0]["http"]["middlewares"]]
        expect(not missing, f"docs/operating.md, Traefik: {name} uses {missing}, which are not there.")
    return f"the {len(blocks)} YAML blocks of docs/operating.md parse, and Traefik's routers lead somewhere (Traefik itself is not run)"


# ---- TURN over TLS --------------------------------------------------------------------------------------------------


class TlsRelay(TurnClient):
    """The same questions over TLS, where each message follows the one before (RFC 8656, section 3.1)."""

    def __init__(self, server: tuple[str, int], authority: Path, username: str, password: str):
        super().__init__(server, username, password)
        self._socket.close()
        context = ssl.create_default_context(cafile=str(authority))
        plain = socket.create_connection(server, START_SECONDS)
        self._socket = context.wrap_socket(plain, server_hostname=TURN_DOMAIN)

    def _answer(self, request: bytes, transaction: bytes) -> bytes:
        """A stream loses nothing: the request goes out once."""
        self._socket.sendall(request)
        while True:
            head = self._exactly(20)
            answer = head + self._exactly(int.from_bytes(head[2:4]))
            if answer[8:20] == transaction:
                return answer

    def _exactly(self, count: int) -> bytes:
        return exactly(self._socket, count, "coturn closed the connection.")


@contextlib.contextmanager
def coturn(folder: Path, port: int, secret: str, certificate: str, key: str) -> Iterator[subprocess.Popen]:
    """coturn as start.sh starts it, on TURN_ADDRESS alone, and again where it ends to take a first certificate."""
    tool("turnserver", "coturn")
    environment = os.environ | {
        "TURN_SECRET": secret,
        "TURN_REALM": "mesh",
        "TURN_EXTERNAL_IP": TURN_ADDRESS,
        "TURN_LISTEN_IP": TURN_ADDRESS,
        "TURN_SETTINGS": str(HERE / "coturn/turnserver.conf"),
        "TURN_RUN_DIR": str(folder),
        "TURN_TLS_CERT": certificate,
        "TURN_TLS_KEY": key,
        "TURN_TLS_PORT": str(port),
        "TURN_TLS_LOOK_SECONDS": "0.2",
    }
    plain = free_port()
    again = f'while :; do sh "$0" --listening-port={plain}; done'

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((TURN_ADDRESS, plain)) == 0

    command = ["sh", "-c", again, str(HERE / "coturn/start.sh")]
    log = folder / "coturn.log"
    with running(command, log, answers, "coturn", env=environment, cwd=folder, start_new_session=True) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)


def served_certificate(address: tuple[str, int], authority: Path) -> bytes:
    context = ssl.create_default_context(cafile=str(authority))
    with socket.create_connection(address, START_SECONDS) as plain:
        return context.wrap_socket(plain, server_hostname=TURN_DOMAIN).getpeercert(binary_form=True)


def eventually(sentence: str, condition) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return
        expect(time.monotonic() < deadline, sentence)
        time.sleep(0.05)


@check
def turn_over_tls_shares_the_port_of_caddy() -> str:
    secret = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        found = folder / f"caddy/certificates/*/{TURN_DOMAIN}/{TURN_DOMAIN}"
        # coturn is first: at the first start of the set there is no certificate yet.
        with contextlib.ExitStack() as stack:
            stack.enter_context(coturn(folder, port, secret, f"{found}.crt", f"{found}.key"))
            upstream = stack.enter_context(mesh_server(folder, f"https://{DOMAIN}"))
            options = f"default_bind {WEB_ADDRESS}"
            root = stack.enter_context(
                caddy(folder, upstream, port, options, ("turns.caddy",), TURN_TLS_DOMAIN=TURN_DOMAIN)
            )
            relay = (TURN_ADDRESS, port)
            eventually("coturn does not take the certificate that Caddy got.", lambda: served_certificate(relay, root))
            with TlsRelay(relay, root, *credentials(secret, "alice", int(time.time()) + 600)) as good:
                code = good.allocate()
                expect(code == 0, f"coturn answers {code} to an allocation over TLS.")
                code = good.permit("127.0.0.1")
                expect(code == 403, f"coturn answers {code} to a special address over TLS, not 403.")
            with TlsRelay(relay, root, *credentials("x" * 48, "alice", int(time.time()) + 600)) as bad:
                code = bad.allocate()
                expect(code == 401, f"coturn answers {code} to a wrong credential over TLS, not 401.")
            expect_site("Caddy beside coturn", Browser((WEB_ADDRESS, port), root))
            # A renewed certificate is taken over by the coturn that runs.
            certificate, key = self_signed(folder)
            kept = folder / f"caddy/certificates/local/{TURN_DOMAIN}/{TURN_DOMAIN}"
            Path(f"{kept}.key").write_bytes(key.read_bytes())
            Path(f"{kept}.crt").write_bytes(certificate.read_bytes())
            eventually("coturn does not take a renewed certificate.", lambda: served_certificate(relay, certificate))
    return f"coturn on {TURN_ADDRESS}:{port} and Caddy on {WEB_ADDRESS}:{port}: one port, and coturn has its certificate from Caddy"

#!/usr/bin/env python3
"""A new machine of each role, by what docs/install.md says and nothing else.

Takes the archive that `cargo xtask dist` makes. Each machine has a network, a host name and a file system of its own (namespaces and an
overlay that is thrown away), so that the page's commands run as they stand: they install into /usr/local, make users, listen on 80 and
443. What a person does in a browser is done over REST: open the setup link, enter the code that a machine shows. In the end a file
has to be on the other machine. Needs root, as in the checks; without it the script says that nothing was tried.

    python3 e2e/new_machines.py target/dist/mesh-0.1.0-dev.tar.gz
"""

import contextlib
import hashlib
import json
import os
import queue
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs/install.md"
DOMAIN = "mesh.example.com"
# The one of the page.
SERVER_ADDRESS = "203.0.113.10"
# A command of the page; all of them are done in seconds.
PATIENCE_SECONDS = 30
DONE = "block-done"


class Failure(Exception):
    """One sentence."""


def expect(condition: object, sentence: str) -> None:
    if not condition:
        raise Failure(sentence)


def blocks(role: str) -> list[str]:
    """What the page marks to be run in that role, in its order."""
    found = re.findall(r"^<!-- run: ([^>]+) -->\n```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    mine = [text for roles, text in found if role in [one.strip() for one in roles.split(",")]]
    expect(mine, f"docs/install.md has no block for {role}.")
    return mine


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    expect(done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}")


class Machine:
    """A shell on a machine that has the archive in an empty folder, and nothing else of Mesh."""

    def __init__(self, folder: Path, name: str, archive: Path, own_network: bool):
        self.name = name
        self.root = folder / name / "root"
        for part in ("changed", "work", "root"):
            (folder / name / part).mkdir(parents=True)
        overlay = f"lowerdir=/,upperdir={folder / name / 'changed'},workdir={folder / name / 'work'}"
        hosts = f"127.0.0.1 localhost {name}\n{SERVER_ADDRESS} {DOMAIN}\n"
        start = f"""
            set -e
            hostname {name}
            mount -t overlay overlay -o {overlay} {self.root}
            cd {self.root}
            mount --rbind /proc proc
            mount --rbind /dev dev
            mount -t tmpfs tmpfs tmp
            mkdir -p root/clean
            cp {archive} root/clean/
            printf '%s' '{hosts}' > etc/hosts
            rm -rf usr/local/bin/mesh usr/local/bin/mesh-server var/lib/mesh
            exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \\
                chroot . sh -c 'cd /root/clean && exec sh -e'
        """
        own = ["--net"] if own_network else []
        self.shell = subprocess.Popen(
            ["unshare", "--mount", "--uts", *own, "sh", "-c", start],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.said: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        # Who answers has a network of its own: before, a cable to it would end here.
        self.run(":")

    def _read(self) -> None:
        for line in self.shell.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def run(self, block: str, watch=lambda line: None) -> None:
        """Runs it in the shell in which the blocks before it ran; `watch` sees each line that it prints."""
        # The block is one function's body, read whole: no command of it reads the next one as its input.
        self.shell.stdin.write(f"block() {{\n{block}\n}}\nblock </dev/null\necho {DONE}\n")
        self.shell.stdin.flush()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise Failure(f"{self.name}: not done within {PATIENCE_SECONDS} s:\n{block}{self.tail()}") from None
            if line == DONE:
                return
            expect(line is not None, f"{self.name}: this failed:\n{block}{self.tail()}")
            self.said.append(line)
            watch(line)

    def tail(self) -> str:
        """What it said last, and what stands in the logs that it wrote."""
        logs = sorted((self.root.parent / "changed/var/log").glob("*.log"))
        written = [line for log in logs for line in [f"{log.name}:", *log.read_text().splitlines()[-8:]]]
        return "\n".join(["", "It said:", *self.said[-15:], *written])

    def join(self, number: int) -> None:
        """Gives it a cable to the server's machine, which passes on what is for the others."""
        here, there, network = f"m{number}", "eth0", f"10.77.{number}"
        run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", str(self.shell.pid))
        run("ip", "address", "add", f"{network}.1/24", "dev", here)
        run("ip", "link", "set", here, "up")
        self.run(
            f"ip link set lo up; ip address add {network}.2/24 dev {there}; ip link set {there} up; "
            f"ip route add default via {network}.1"
        )

    def end(self) -> None:
        self.shell.kill()
        self.shell.wait()


class Person:
    """Who is signed in in a browser: what the page does, over REST through the proxy."""

    def __init__(self, authority: Path):
        self.tls = ssl.create_default_context(cafile=str(authority))
        self.token = ""

    def post(self, path: str, body: dict) -> dict:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"https://{DOMAIN}{path}", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=PATIENCE_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Failure(f"POST {path} is answered with {error.code}: {error.read().decode()}") from error


def play(folder: Path, archive: Path, stack: contextlib.ExitStack) -> str:
    def machine(name: str, own_network: bool) -> Machine:
        made = Machine(folder, name, archive, own_network)
        stack.callback(made.end)
        return made

    run("ip", "link", "set", "lo", "up")
    # Not on the loopback interface: coturn looks for its addresses on the others.
    run("ip", "link", "add", "wan", "type", "veth", "peer", "name", "world")
    for end in ("wan", "world"):
        run("ip", "link", "set", end, "up")
    run("ip", "address", "add", f"{SERVER_ADDRESS}/32", "dev", "wan")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    # This process looks names up as the server's machine does.
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{SERVER_ADDRESS} {DOMAIN}\n")
    run("mount", "--bind", str(folder / "hosts"), "/etc/hosts")

    server = machine("server", own_network=False)
    for block in blocks("server"):
        server.run(block)
    link = next((line for line in server.said if line.startswith("Setup link: ")), "")
    expect(link.startswith(f"Setup link: https://{DOMAIN}/"), f"there is no setup link: {server.tail()}")
    authority = server.root / "root/.local/share/caddy/pki/authorities/local/root.crt"
    server.run("until grep --quiet 'certificate obtained successfully' /var/log/caddy.log; do sleep 0.1; done")
    (folder / "root.crt").write_bytes(through(server, authority))
    person = Person(folder / "root.crt")
    setup = {"setup_token": link.split("#token=")[1], "username": "alice", "password": "correct horse battery staple"}
    person.token = person.post("/auth/setup", setup)["token"]

    def approve(line: str) -> None:
        if code := re.fullmatch(r"\s+([A-Z0-9]{4}-[A-Z0-9]{4})", line):
            person.post("/auth/device/approve", {"user_code": code[1], "approve": True})

    machines = {name: machine(name, own_network=True) for name in ("laptop", "desk")}

    def set_up(number: int, one: Machine) -> None:
        one.join(number)
        put(one, "root.crt", (folder / "root.crt").read_text())
        for block in blocks("trust") + blocks("machine"):
            one.run(block, approve)

    # Side by side: what takes time is that a machine asks every other second whether somebody has entered its code.
    with ThreadPoolExecutor() as pool:
        for ready in [pool.submit(set_up, *numbered) for numbered in enumerate(machines.values(), start=1)]:
            ready.result()
    for block in blocks("first file"):
        machines["desk"].run(block)
    machines["laptop"].run("cat ~/received/note.txt; sha256sum ~/received/note.txt")
    wanted = hashlib.sha256(b"from the desk\n").hexdigest()
    expect(any(wanted in line for line in machines["laptop"].said), "the file on the laptop is not the one that was sent.")
    count = sum(len(blocks(role)) for role in ("server", "trust", "machine", "first file"))
    return f"{count} blocks of docs/install.md, as they stand: a server behind Caddy, a relay, two machines paired by code, a file between them"


def through(machine: Machine, path: Path) -> bytes:
    """A file of the machine, which this process does not see: the overlay is mounted there alone."""
    inside = "/" + str(path.relative_to(machine.root))
    begin = len(machine.said)
    machine.run(f"cat {inside}")
    return "\n".join([*machine.said[begin:], ""]).encode()


def put(machine: Machine, name: str, text: str) -> None:
    machine.run(f"cat > {name} <<'END'\n{text}END")


def main() -> int:
    archive = Path(sys.argv[1]).resolve()
    if "MESH_NEW_MACHINES" not in os.environ:
        # Everything that is started ends with this process, also where it is killed.
        world = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if subprocess.run([*world, "true"], capture_output=True).returncode != 0:
            print("NOT TRIED: new machines are namespaces, and this user may not make them.")
            return 0
        os.environ["MESH_NEW_MACHINES"] = "inside"
        os.execvp("unshare", [*world, sys.executable, __file__, str(archive)])
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        run("mount", "-t", "tmpfs", "tmpfs", name)
        stack.callback(lambda: subprocess.run(["umount", "--lazy", name]))
        try:
            print(f"{play(Path(name), archive, stack)} in {time.monotonic() - begun:.1f} s")
        except Failure as failure:
            print(f"FAIL  {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What every check is made of: the list of them, a failure in one sentence, programs, ports and waiting."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
START_SECONDS = 10

CHECKS: list[Callable[[], str]] = []


class Failure(Exception):
    """One sentence that says what is wrong and where."""


def check(function: Callable[[], str]) -> Callable[[], str]:
    """Registers a check. It returns what it proved, or raises Failure."""
    CHECKS.append(function)
    return function


def expect(condition: object, sentence: str) -> None:
    if not condition:
        raise Failure(sentence)


def tool(name: str, package: str) -> str:
    path = shutil.which(name)
    expect(path, f"{name} is missing: install the package {package}.")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(ready: Callable[[], bool], process: subprocess.Popen, name: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        alive = process.poll() is None and time.monotonic() < deadline
        expect(alive, f"{name} did not start: {(log.read_text().splitlines() or ['it says nothing'])[-1]}")
        time.sleep(0.05)


@contextlib.contextmanager
def running(command: list[str], log: Path, ready: Callable[[], bool], name: str, **options) -> Iterator[subprocess.Popen]:
    """A program that is asked to end with the block; `options` are those of Popen. Its output goes to `log`."""
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, **options)
    try:
        wait_for(ready, process, name, log)
        yield process
    finally:
        process.terminate()
        process.wait()

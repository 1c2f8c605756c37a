"""What infra/monitoring asks for, held against what a real mesh-server exports, and asked by a real Prometheus."""

import contextlib
import json
import re
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import yaml

from checking import HERE, check, connects, expect, free_port, running, tool
from served import PASSWORD, Browser, WebSocket, eventually, mesh_server

FOLDER = HERE / "monitoring"
# What Prometheus itself adds to each target.
OF_PROMETHEUS = {"up"}
FUNCTIONS = "rate increase sum histogram_quantile".split()
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}


def queries() -> dict[str, str]:
    """Every query of the dashboard and the alerts, by where it stands."""
    found = {}
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")
            found[f"grafana-dashboard.json, {panel['title']} {target['refId']}"] = text
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            named = re.fullmatch(r"label_values\((\w+), \w+\)", variable["definition"])
            expect(named, f"grafana-dashboard.json: the variable {variable['name']} asks for something else.")
            found[f"grafana-dashboard.json, variable {variable['name']}"] = named[1]
    return found


def alerts() -> dict[str, str]:
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
    return {f"alerts.yml, {rule['alert']}": rule["expr"] for rule in rules}


def names(query: str) -> set[str]:
    """The metrics in a query: words that are no function, no keyword, no label and no text."""
    query = re.sub(r'"[^"]*"', "", query)
    query = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|without) \([^)]*\)", "", query)
    return set(re.findall(r"[a-zA-Z_:][\w:]*", query)) - set(FUNCTIONS) - {"or", "and", "unless"}


def exported(text: str) -> set[str]:
    kinds = re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE)
    return {name + suffix for name, kind in kinds for suffix in SUFFIXES[kind]}


@contextlib.contextmanager
def busy_server(folder: Path) -> Iterator[int]:
    """A server at which everything that is counted has happened; yields the port of its metrics."""
    metrics = free_port()
    with mesh_server(folder, "https://mesh.test", MESH_METRICS_LISTEN=f"127.0.0.1:{metrics}") as port:
        browser = Browser(("127.0.0.1", port), None)
        browser.ask("POST", "/auth/login", body={"username": "alice", "password": "wrong"})
        _, _, session = browser.ask("POST", "/auth/login", body={"username": "alice", "password": PASSWORD})
        token = session["token"]
        room = browser.ask("GET", "/rooms", token)[2]["rooms"][0]["room_id"]
        ticket = browser.ask("POST", "/ws/ticket", token, {})[2]["ticket"]
        web_socket = WebSocket(browser, ticket)
        peer = web_socket.receive("system.welcome")["peer_id"]
        web_socket.send("room.join", {"room_id": room})
        web_socket.receive("room.state")
        browser.ask("POST", "/caps", token, {"room_id": room, "peer_id": peer, "caps": ["call"]})
        web_socket.send("nobody.knows", {})
        web_socket.receive("error")
        web_socket.send("chat.message.create", {"room_id": room, "client_id": "1", "text": "counted"})
        web_socket.receive("ack")
        yield metrics
        web_socket.stream.close()


@check
def dashboard_and_alerts_ask_for_what_there_is() -> str:
    asked = queries() | alerts()
    with tempfile.TemporaryDirectory() as name, busy_server(Path(name)) as metrics:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics") as answer:
            known = exported(answer.read().decode()) | OF_PROMETHEUS
        for where, query in asked.items():
            unknown = names(query) - known
            expect(not unknown, f"{where} asks for {', '.join(unknown)}, which mesh-server does not export.")
        shown = set().union(*(names(query) for query in queries().values()))
        bare = {re.sub("_(total|bucket|sum|count)$", "", one) for one in known}
        unseen = bare - {re.sub("_(total|bucket|sum|count)$", "", one) for one in shown}
        expect(not unseen, f"grafana-dashboard.json shows nothing of {', '.join(sorted(unseen))}.")
        page = (HERE.parent / "docs/operating.md").read_text()
        unsaid = sorted(one for one in bare - OF_PROMETHEUS if one not in page)
        expect(not unsaid, f"docs/operating.md does not say what {', '.join(unsaid)} is.")
        ask_prometheus(Path(name), metrics)
    return f"{len(asked)} queries name {len(shown)} metrics that mesh-server exports, and a real Prometheus answers each"


def ask_prometheus(folder: Path, metrics: int) -> None:
    promtool = tool("promtool", "prometheus")
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    for kind, file in (("config", "prometheus.yml"), ("rules", "alerts.yml")):
        done = subprocess.run([promtool, "check", kind, str(FOLDER / file)], capture_output=True, text=True)
        expect(done.returncode == 0, f"monitoring/{file} is refused: {done.stdout}{done.stderr}")
    # The committed settings, but for where the server is and how often it is asked.
    configuration["global"] = {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
    configuration["rule_files"] = [str(FOLDER / "alerts.yml")]
    configuration["scrape_configs"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{metrics}"]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    port = free_port()
    command = [tool("prometheus", "prometheus"), f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'tsdb'}"]

    def query(text: str) -> list:
        parameters = urllib.parse.urlencode({"query": text})
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{parameters}") as answer:
            return json.load(answer)["data"]["result"]

    with running(command, folder / "prometheus.log", lambda: connects(port), "Prometheus"):
        # A rate needs two readings of the same series.
        seen = lambda: query("count_over_time(mesh_sockets[1m]) > 3")  # noqa: E731
        eventually("Prometheus does not get to read mesh-server.", seen)
        for where, text in queries().items():
            # What is shown only where something moves has not moved while Prometheus looked.
            expect(query(text.removesuffix(" > 0")), f"{where}: Prometheus finds nothing for {text}")
        for where, text in alerts().items():
            expect(query(text) == [], f"{where} fires on a server that is well.")

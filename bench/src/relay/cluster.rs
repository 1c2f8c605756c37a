//! Several nodes of the control plane over one NATS: what passes from node to node, and what the hop costs.
//!
//! All nodes and NATS share the servers' core, the load has the other one: what counts is the processor time of each message, in the
//! nodes and in NATS, and how long one takes at a rate that all settings manage. The rate at full load is that of one core,
//! whatever runs on it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Client, Http, TEXT, frame};
use super::load::{Link, Load, Offer};
use super::process::{Process, free_port, own_cpu_s, pinned, prepare_generator};

const SECRET: &str = "what-all-nodes-of-this-run-have-in-common";
const SESSION: &str = "7d0a8c1e-53d1-4a3c-9b1f-7f3a3c7c2a10";
const MESSAGE: usize = 780;
const PAIRS: usize = 100;
const SOCKETS_OF_A_USER: usize = 20;
const WARM_UP: Duration = Duration::from_millis(700);
const PACED_PER_S: f64 = 5_000.0;
const NATS: &str = "/usr/sbin/nats-server";

#[derive(Args)]
pub(crate) struct Options {
    /// Readings of each setting; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of a reading.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The host's name in the results; choose one that tells nobody anything.
    #[arg(long, default_value = "local")]
    host: String,
    /// Where the results go.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

/// A number of nodes, and whether both ends of a pair are on the same one.
struct Setting {
    name: &'static str,
    nodes: usize,
    nats: bool,
    across: bool,
}

const SETTINGS: &[Setting] = &[
    Setting {
        name: "1 node",
        nodes: 1,
        nats: false,
        across: false,
    },
    Setting {
        name: "1 node with NATS",
        nodes: 1,
        nats: true,
        across: false,
    },
    Setting {
        name: "2 nodes, each pair on one",
        nodes: 2,
        nats: true,
        across: false,
    },
    Setting {
        name: "2 nodes, each pair across",
        nodes: 2,
        nats: true,
        across: true,
    },
    Setting {
        name: "3 nodes, each pair across",
        nodes: 3,
        nats: true,
        across: true,
    },
];

#[derive(Clone, Serialize)]
struct Reading {
    /// At full load, one message of each pair in flight.
    per_s: f64,
    /// Processor time of all nodes for each message, of NATS, and of the generator.
    nodes_cpu_us: f64,
    nats_cpu_us: f64,
    generator_cpu_us: f64,
    /// At 5,000 messages a second over all pairs.
    p50_us: f64,
    p99_us: f64,
}

#[derive(Serialize)]
struct Measured {
    setting: &'static str,
    readings: Vec<Reading>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    prepare_generator()?;
    let own = std::env::current_exe()?;
    let program = own.parent().context("no folder")?.join("mesh-server");
    let time = Duration::from_secs_f64(options.seconds);
    let mut measured: Vec<Measured> = SETTINGS
        .iter()
        .map(|setting| Measured {
            setting: setting.name,
            readings: Vec::new(),
        })
        .collect();
    for _ in 0..options.rounds {
        for (setting, measured) in SETTINGS.iter().zip(&mut measured) {
            let reading = Nodes::start(&program, setting)?.measure(setting, time);
            measured.readings.push(reading.context(setting.name)?);
        }
    }
    print(&measured);
    crate::results::write(&options.results, &options.host, "cluster", &measured)
}

struct Node {
    process: Process,
    address: SocketAddr,
}

struct User {
    token: String,
    room: String,
}

struct Nodes {
    nodes: Vec<Node>,
    nats: Option<Process>,
    users: Vec<User>,
    /// Removed at the end, after the processes.
    _data: TempDir,
}

impl Nodes {
    fn start(program: &std::path::Path, setting: &Setting) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let (mut nats, mut nats_url) = (None, None);
        if setting.nats {
            let port = free_port()?;
            let child = pinned(NATS)
                .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            let mut process = Process(child);
            process.wait_for(SocketAddr::from(([127, 0, 0, 1], port)))?;
            nats = Some(process);
            nats_url = Some(format!("nats://127.0.0.1:{port}"));
        }
        let mut this = Self {
            nodes: Vec::new(),
            nats,
            users: Vec::new(),
            _data: data,
        };
        let mut setup = None;
        for _ in 0..setting.nodes {
            let mut command = pinned(program);
            command
                .current_dir(this._data.path())
                .env("MESH_DATA_DIR", this._data.path())
                .env("MESH_LISTEN", "127.0.0.1:0")
                .env("MESH_FRAMES_PER_SECOND", "1000000")
                .env("MESH_JWT_SECRET", SECRET)
                .env("RUST_LOG", "warn");
            if let Some(url) = &nats_url {
                command.env("MESH_NATS_URL", url);
            }
            let mut child = command.stdout(Stdio::piped()).spawn()?;
            let lines = BufReader::new(child.stdout.take().context("piped")?).lines();
            let process = Process(child);
            let mut address = None;
            for line in lines {
                let line = line?;
                if let Some((_, token)) = line.split_once("/setup#token=") {
                    setup = Some(token.to_owned());
                }
                if let Some(url) = line.strip_prefix("Listening on http://") {
                    address = Some(url.parse::<SocketAddr>()?);
                    break;
                }
            }
            this.nodes.push(Node {
                process,
                address: address.context("a node did not start")?,
            });
        }
        this.accounts(&setup.context("no setup link")?)?;
        Ok(this)
    }

    fn accounts(&mut self, setup: &str) -> anyhow::Result<()> {
        let mut http = Http::connect(self.nodes[0].address)?;
        let first = json!({"setup_token": setup, "username": "user-0", "password": "bench-password"});
        let mut session = http.post("/auth/setup", "", &first)?;
        let mut invite = Value::Null;
        for number in 0..(PAIRS * 2).div_ceil(SOCKETS_OF_A_USER) {
            if number > 0 {
                let name = format!("user-{number}");
                let ask = json!({"invite": invite["token"], "username": name, "password": "bench-password"});
                session = http.post("/auth/register", "", &ask)?;
            }
            let token = text(&session, "token")?;
            let room = text(
                &http.post("/rooms", &token, &json!({"name": "bench"}))?,
                "room_id",
            )?;
            if number == 0 {
                let ask = json!({"role": "member", "max_uses": 1_000});
                invite = http.post(&format!("/rooms/{room}/invites"), &token, &ask)?;
            }
            self.users.push(User { token, room });
        }
        Ok(())
    }

    /// A socket in the room of its user, who it is, and who it was shown there.
    fn join(&self, node: usize, user: &User) -> anyhow::Result<(Client, String, Value)> {
        let bearer = format!("Authorization: Bearer {}\r\n", user.token);
        let mut client = Client::open(self.nodes[node].address, "/ws", &bearer)?;
        let welcome = client.receive_type("system.welcome")?;
        client.send_json(&json!({"type": "room.join", "payload": {"room_id": user.room}}))?;
        let mut state = client.receive_type("room.state")?;
        let shown = state["payload"]["peers"].take();
        Ok((client, text(&welcome["payload"], "peer_id")?, shown))
    }

    /// A candidate, bound to session and target, judged by its token.
    fn pairs(&self, setting: &Setting) -> anyhow::Result<Vec<Link>> {
        let mut links = Vec::new();
        for pair in 0..PAIRS {
            let user = &self.users[pair * 2 / SOCKETS_OF_A_USER];
            let near = pair % setting.nodes;
            let far = (near + usize::from(setting.across)) % setting.nodes;
            let (receiver, to, _) = self.join(far, user)?;
            let (mut sender, from, shown) = self.join(near, user)?;
            let is_shown = shown
                .as_array()
                .into_iter()
                .flatten()
                .any(|peer| peer["peer_id"] == *to);
            // Who came to another node is known here a moment later.
            while !is_shown && sender.receive_type("room.joined")?["payload"]["peer_id"] != *to {}
            let ask = json!({
                "room_id": user.room, "peer_id": from, "caps": ["share:file"], "target_peer_id": to,
                "session_id": SESSION,
            });
            let grant = Http::connect(self.nodes[near].address)?.post("/caps", &user.token, &ask)?;
            let message = |filler: &str| {
                json!({"type": "rtc.ice", "payload": {
                    "room_id": user.room, "target": to, "session_id": SESSION, "feature": "file",
                    "cap_token": grant["cap_token"],
                    "candidate": {"candidate": filler, "sdpMid": "0", "sdpMLineIndex": 0},
                }})
                .to_string()
            };
            let filler = "x".repeat(MESSAGE.saturating_sub(message("").len()));
            links.push(Link {
                sender,
                receivers: vec![receiver],
                frame: frame(TEXT, message(&filler).as_bytes()),
            });
        }
        Ok(links)
    }

    fn cpu_s(&self) -> anyhow::Result<(f64, f64)> {
        let mut nodes = 0.0;
        for node in &self.nodes {
            nodes += node.process.cpu_s()?;
        }
        let nats = self.nats.as_ref().map_or(Ok(0.0), Process::cpu_s)?;
        Ok((nodes, nats))
    }

    fn measure(&self, setting: &Setting, time: Duration) -> anyhow::Result<Reading> {
        let mut load = Load::new(self.pairs(setting)?)?;
        let mut marks = Vec::new();
        let full = load.run(Offer::Window(1), WARM_UP, time, || {
            marks.push((self.cpu_s()?, own_cpu_s()?));
            Ok(())
        })?;
        let [before, after] = marks[..] else {
            anyhow::bail!("no marks");
        };
        let paced = load.run(Offer::Rate(PACED_PER_S), WARM_UP, time, || Ok(()))?;
        let percentile = |share: f64| {
            let at = (paced.latencies_us.len() as f64 * share) as usize;
            paced.latencies_us.get(at).copied().context("nothing arrived")
        };
        let each = |seconds: f64| seconds * 1e6 / full.delivered.max(1) as f64;
        Ok(Reading {
            per_s: full.delivered as f64 / full.seconds,
            nodes_cpu_us: each(after.0.0 - before.0.0),
            nats_cpu_us: each(after.0.1 - before.0.1),
            generator_cpu_us: each(after.1 - before.1),
            p50_us: percentile(0.5)?,
            p99_us: percentile(0.99)?,
        })
    }
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    Ok(value[key]
        .as_str()
        .with_context(|| format!("no {key}"))?
        .to_owned())
}

fn print(measured: &[Measured]) {
    println!("| setting | per second | nodes' CPU µs each | NATS's CPU µs each | p50 µs | p99 µs |");
    println!("|---|---|---|---|---|---|");
    for one in measured {
        let median = |value: fn(&Reading) -> f64| {
            let mut values: Vec<f64> = one.readings.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            let at = values.len() / 2;
            let range = (values.first(), values.last());
            match (values.get(at), range) {
                (Some(median), (Some(least), Some(most))) => format!("{median:.1} ({least:.1}–{most:.1})"),
                _ => "–".into(),
            }
        };
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            one.setting,
            median(|r| r.per_s),
            median(|r| r.nodes_cpu_us),
            median(|r| r.nats_cpu_us),
            median(|r| r.p50_us),
            median(|r| r.p99_us)
        );
    }
}

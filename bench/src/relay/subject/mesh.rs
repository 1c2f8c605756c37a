//! Our own server, as an operator runs it, used through its public interfaces only.
//!
//! Accounts come by the setup link and by invitation; a user has at most 20 sockets, so there are many. Two settings differ
//! from the defaults: `MESH_FRAMES_PER_SECOND`, since a socket may send 50 frames a second, and what is measured is what
//! the server can do and not what it allows; and the level of the log, which is that of the other servers.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::client::{Client, Http, TEXT, frame};
use super::super::load::Link;
use super::super::process::{Process, pinned};
use super::{Installed, MESSAGE, Opener, Opening, Subject, filler};

pub(super) const NAME: &str = "mesh";
/// The same server and the same size of message, of a type that needs no capability.
pub(super) const UNCHECKED: &str = "mesh, no capability";

const SOCKETS_OF_A_USER: usize = 20;
/// Enough for every idle socket.
const ACCOUNTS: usize = 60;
/// Tokio keeps an idle thread for blocking work for ten seconds.
const THREADS_END: Duration = Duration::from_secs(12);
/// The server takes a client that says nothing for 70 s for gone, and a busy machine takes longer to connect thousands.
const SILENT: Duration = Duration::from_secs(20);
const SESSION: &str = "7d0a8c1e-53d1-4a3c-9b1f-7f3a3c7c2a10";

struct User {
    token: String,
    /// A room of its own.
    room: String,
}

struct Mesh {
    name: &'static str,
    process: Process,
    address: SocketAddr,
    http: Http,
    users: Vec<User>,
    /// Sockets of `idle` so far.
    idle: usize,
    checked: bool,
    /// Removed at the end, after the process.
    _data: TempDir,
}

pub(super) fn start(installed: &Installed) -> anyhow::Result<Box<dyn Subject>> {
    start_as(installed, NAME, true)
}

pub(super) fn start_unchecked(installed: &Installed) -> anyhow::Result<Box<dyn Subject>> {
    start_as(installed, UNCHECKED, false)
}

fn start_as(installed: &Installed, name: &'static str, checked: bool) -> anyhow::Result<Box<dyn Subject>> {
    let settings = [("MESH_FRAMES_PER_SECOND", "1000000")];
    Ok(Box::new(start_mesh(
        &installed.mesh_server,
        name,
        checked,
        &settings,
    )?))
}

/// Any `mesh-server` with all of its own settings.
pub(in super::super) fn start_program(program: &Path) -> anyhow::Result<impl Subject> {
    start_mesh(program, NAME, true, &[])
}

fn start_mesh(
    program: &Path,
    name: &'static str,
    checked: bool,
    settings: &[(&str, &str)],
) -> anyhow::Result<Mesh> {
    let data = tempfile::tempdir()?;
    let mut command = pinned(program);
    let mut child = command
        .current_dir(data.path())
        .env("MESH_DATA_DIR", data.path())
        .env("MESH_LISTEN", "127.0.0.1:0")
        .env("RUST_LOG", "warn")
        .envs(settings.iter().copied())
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().context("piped")?).lines();
    let process = Process(child);
    let (mut setup_token, mut address) = (None, None);
    for line in lines {
        let line = line?;
        if let Some((_, token)) = line.split_once("/setup#token=") {
            setup_token = Some(token.to_owned());
        }
        if let Some(url) = line.strip_prefix("Listening on http://") {
            address = Some(url.parse::<SocketAddr>()?);
            break;
        }
    }
    let address = address.context("mesh-server did not start")?;
    let setup_token = setup_token.context("no setup link")?;
    let mut mesh = Mesh {
        name,
        process,
        address,
        http: Http::connect(address)?,
        users: Vec::new(),
        idle: 0,
        checked,
        _data: data,
    };
    let setup = json!({"setup_token": setup_token, "username": "user-0", "password": "bench-password"});
    let session = mesh.http.post("/auth/setup", "", &setup)?;
    mesh.adopt(&session)?;
    Ok(mesh)
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    Ok(value[key]
        .as_str()
        .with_context(|| format!("no {key}"))?
        .to_owned())
}

impl Mesh {
    fn adopt(&mut self, session: &Value) -> anyhow::Result<()> {
        let token = text(session, "token")?;
        let room = self.http.post("/rooms", &token, &json!({"name": "bench"}))?;
        self.users.push(User {
            token,
            room: text(&room, "room_id")?,
        });
        Ok(())
    }

    /// Accounts by invitation, until there are so many.
    fn users(&mut self, count: usize) -> anyhow::Result<()> {
        // A pause since the last request may have ended the kept connection.
        self.http = Http::connect(self.address)?;
        if self.users.len() >= count {
            return Ok(());
        }
        let (room, owner) = (self.users[0].room.clone(), self.users[0].token.clone());
        let ask = json!({"role": "member", "max_uses": 1_000});
        let invite = self.http.post(&format!("/rooms/{room}/invites"), &owner, &ask)?;
        while self.users.len() < count {
            let username = format!("user-{}", self.users.len());
            let register =
                json!({"invite": invite["token"], "username": username, "password": "bench-password"});
            let session = self.http.post("/auth/register", "", &register)?;
            self.adopt(&session)?;
        }
        Ok(())
    }

    fn connect(&self, user: usize) -> anyhow::Result<(Client, String)> {
        let bearer = format!("Authorization: Bearer {}\r\n", self.users[user].token);
        let mut client = Client::open(self.address, "/ws", &bearer)?;
        let welcome = client.receive_type("system.welcome")?;
        Ok((client, text(&welcome["payload"], "peer_id")?))
    }

    fn join(client: &mut Client, room: &str) -> anyhow::Result<()> {
        client.send_json(&json!({"type": "room.join", "payload": {"room_id": room}}))?;
        client.receive_type("room.state")?;
        Ok(())
    }

    fn capability(&mut self, user: usize, ask: &Value) -> anyhow::Result<String> {
        text(
            &self.http.post("/caps", &self.users[user].token, ask)?,
            "cap_token",
        )
    }

    /// A candidate, bound to session and target, judged by its token.
    fn checked(&mut self, user: usize, from: &str, to: &str) -> anyhow::Result<Vec<u8>> {
        let room = self.users[user].room.clone();
        let ask = json!({
            "room_id": room, "peer_id": from, "caps": ["share:file"], "target_peer_id": to, "session_id": SESSION,
        });
        let token = self.capability(user, &ask)?;
        let message = |filler: &str| {
            let candidate = json!({"candidate": filler, "sdpMid": "0", "sdpMLineIndex": 0});
            json!({"type": "rtc.ice", "payload": {
                "room_id": room, "target": to, "session_id": SESSION, "feature": "file", "cap_token": token,
                "candidate": candidate,
            }})
            .to_string()
        };
        Ok(frame(TEXT, message(&filler(message("").len())).as_bytes()))
    }

    /// An answer within a session that was opened before: its party needs no token.
    fn unchecked(
        &mut self,
        user: usize,
        client: &mut Client,
        from: &str,
        to: &str,
    ) -> anyhow::Result<Vec<u8>> {
        let room = self.users[user].room.clone();
        let session = from;
        let ask = json!({"room_id": room, "peer_id": from, "caps": ["terminal:view"], "session_id": session});
        let token = self.capability(user, &ask)?;
        client.send_json(&json!({"type": "terminal.share.request", "payload": {
            "room_id": room, "target": to, "session_id": session, "cap_token": token,
        }}))?;
        let message = |filler: &str| {
            json!({"type": "terminal.control.deny", "payload": {
                "room_id": room, "target": to, "session_id": session, "filler": filler,
            }})
            .to_string()
        };
        Ok(frame(TEXT, message(&filler(message("").len())).as_bytes()))
    }
}

impl Subject for Mesh {
    fn name(&self) -> &'static str {
        self.name
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn idle(&mut self, count: usize) -> anyhow::Result<Vec<Client>> {
        let first = self.idle;
        self.idle += count;
        // All accounts before the first reading: the memory of their password hashes is given back when the runtime ends
        // the threads that made them, and would hide what the sockets need.
        if self.users.len() < ACCOUNTS {
            self.users(ACCOUNTS)?;
            std::thread::sleep(THREADS_END);
        }
        self.users(self.idle.div_ceil(SOCKETS_OF_A_USER))?;
        (first..self.idle)
            .map(|n| Ok(self.connect(n / SOCKETS_OF_A_USER)?.0))
            .collect()
    }

    fn pairs(&mut self, count: usize) -> anyhow::Result<Vec<Link>> {
        self.users((count * 2).div_ceil(SOCKETS_OF_A_USER))?;
        let mut links = Vec::new();
        let mut spoken = Instant::now();
        for pair in 0..count {
            if spoken.elapsed() > SILENT {
                links.iter_mut().try_for_each(Link::say_hello)?;
                spoken = Instant::now();
            }
            let user = pair * 2 / SOCKETS_OF_A_USER;
            let room = self.users[user].room.clone();
            let (mut sender, from) = self.connect(user)?;
            let (mut receiver, to) = self.connect(user)?;
            Self::join(&mut sender, &room)?;
            Self::join(&mut receiver, &room)?;
            let frame = if self.checked {
                self.checked(user, &from, &to)?
            } else {
                self.unchecked(user, &mut sender, &from, &to)?
            };
            debug_assert!(frame.len() >= MESSAGE);
            links.push(Link {
                sender,
                receivers: vec![receiver],
                frame,
            });
        }
        Ok(links)
    }

    fn room(&mut self, count: usize) -> anyhow::Result<Option<Link>> {
        let users = (count + 1).div_ceil(SOCKETS_OF_A_USER);
        self.users(users)?;
        // Everyone came by an invitation into the first user's room.
        let room = self.users[0].room.clone();
        let (mut sender, from) = self.connect(0)?;
        Self::join(&mut sender, &room)?;
        let mut receivers = Vec::new();
        for n in 1..=count {
            let (mut client, _) = self.connect(n / SOCKETS_OF_A_USER)?;
            Self::join(&mut client, &room)?;
            receivers.push(client);
        }
        let ask = json!({"room_id": room, "peer_id": from, "caps": ["call"], "session_id": SESSION});
        let token = self.capability(0, &ask)?;
        let message = |filler: &str| {
            json!({"type": "call.request", "payload": {
                "room_id": room, "session_id": SESSION, "cap_token": token, "filler": filler,
            }})
            .to_string()
        };
        let frame = frame(TEXT, message(&filler(message("").len())).as_bytes());
        Ok(Some(Link {
            sender,
            receivers,
            frame,
        }))
    }

    fn openers(&mut self, kind: Opening, threads: usize) -> anyhow::Result<Vec<Opener>> {
        self.users(threads)?;
        let address = self.address;
        (0..threads)
            .map(|thread| {
                let token = self.users[thread].token.clone();
                let bearer = format!("Authorization: Bearer {token}\r\n");
                let mut http = Http::connect(address)?;
                let opener: Opener = Box::new(move || {
                    let mut client = match kind {
                        Opening::Token => Client::open(address, "/ws", &bearer)?,
                        Opening::Ticket => {
                            let ticket = text(&http.post("/ws/ticket", &token, &json!({}))?, "ticket")?;
                            Client::open(address, &format!("/ws?token={ticket}"), "")?
                        }
                    };
                    let welcome = client.receive()?;
                    if !welcome.windows(14).any(|w| w == b"system.welcome") {
                        bail!("no welcome: {}", String::from_utf8_lossy(&welcome));
                    }
                    Ok(())
                });
                Ok(opener)
            })
            .collect()
    }
}

//! Servers on Node.js: `ws` without and with a check of each message, socket.io, PeerServer (`peers/*.mjs`).

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::super::client::{Client, Http, TEXT, frame};
use super::super::load::Link;
use super::super::process::{Process, free_port, pinned};
use super::{Installed, Opener, Opening, Subject, filler, two_by_two};

/// One of the scripts, and how its clients speak.
pub(super) struct Script {
    pub(super) name: &'static str,
    file: &'static str,
    dialect: Dialect,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Plain { checked: bool },
    SocketIo,
    Peer,
}

pub(super) const WS: Script = Script {
    name: "npm ws, no check",
    file: "ws.mjs",
    dialect: Dialect::Plain { checked: false },
};
pub(super) const WS_CHECKED: Script = Script {
    name: "npm ws + jsonwebtoken",
    file: "ws.mjs",
    dialect: Dialect::Plain { checked: true },
};
pub(super) const SOCKET_IO: Script = Script {
    name: "socket.io, no check",
    file: "socketio.mjs",
    dialect: Dialect::SocketIo,
};
pub(super) const PEER_SERVER: Script = Script {
    name: "PeerServer, no check",
    file: "peer.mjs",
    dialect: Dialect::Peer,
};

struct Node {
    script: &'static Script,
    process: Process,
    address: SocketAddr,
    /// Names given so far.
    named: usize,
}

pub(super) fn start(script: &'static Script, installed: &Installed) -> anyhow::Result<Box<dyn Subject>> {
    let port = free_port()?;
    let child = pinned("node")
        .arg(script.file)
        .arg(port.to_string())
        .env(
            "CHECK",
            if script.dialect == (Dialect::Plain { checked: true }) {
                "1"
            } else {
                ""
            },
        )
        .current_dir(&installed.folder)
        .spawn()?;
    let mut process = Process(child);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    process.wait_for(address)?;
    Ok(Box::new(Node {
        script,
        process,
        address,
        named: 0,
    }))
}

fn path(dialect: Dialect, name: &str, room: &str) -> String {
    match dialect {
        Dialect::Plain { .. } => format!("/?id={name}&room={room}"),
        Dialect::SocketIo => "/socket.io/?EIO=4&transport=websocket".into(),
        Dialect::Peer => format!("/peerjs?key=peerjs&id={name}&token=t"),
    }
}

/// To the point where the server has welcomed it.
fn open(address: SocketAddr, dialect: Dialect, name: &str, room: &str) -> anyhow::Result<Client> {
    let mut client = Client::open(address, &path(dialect, name, room), "")?;
    client.receive()?;
    if dialect == Dialect::SocketIo {
        let auth = json!({"id": name, "room": room});
        client.send(TEXT, format!("40{auth}").as_bytes())?;
        client.receive()?;
    }
    Ok(client)
}

impl Node {
    fn connect(&mut self, room: &str) -> anyhow::Result<(Client, String)> {
        self.named += 1;
        let name = format!("peer-{:08}", self.named);
        Ok((open(self.address, self.script.dialect, &name, room)?, name))
    }

    fn token(&self, from: &str, room: &str, to: Option<&str>) -> anyhow::Result<String> {
        let exp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 120;
        let claims = json!({"sub": from, "room_id": room, "caps": ["rtc"], "target_peer_id": to, "exp": exp});
        let answer = Http::connect(self.address)?.post("/caps", "", &claims)?;
        Ok(answer["cap_token"].as_str().unwrap_or_default().to_owned())
    }

    fn message(&self, from: &str, room: &str, to: Option<&str>) -> anyhow::Result<Vec<u8>> {
        let token = match self.script.dialect {
            Dialect::Plain { checked: true } => self.token(from, room, to)?,
            _ => String::new(),
        };
        let text = |filler: &str| {
            let payload = json!({"room_id": room, "target": to, "cap_token": token, "candidate": filler});
            match self.script.dialect {
                Dialect::Plain { .. } => json!({"type": "rtc.ice", "payload": payload}).to_string(),
                Dialect::SocketIo => format!("42{}", json!(["rtc.ice", payload])),
                Dialect::Peer => json!({"type": "CANDIDATE", "dst": to, "payload": payload}).to_string(),
            }
        };
        Ok(frame(TEXT, text(&filler(text("").len())).as_bytes()))
    }
}

impl Subject for Node {
    fn name(&self) -> &'static str {
        self.script.name
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn idle(&mut self, count: usize) -> anyhow::Result<Vec<Client>> {
        (0..count).map(|_| Ok(self.connect("")?.0)).collect()
    }

    fn pairs(&mut self, count: usize) -> anyhow::Result<Vec<Link>> {
        let first = self.named;
        let clients = self.idle(count * 2)?;
        two_by_two(clients)
            .enumerate()
            .map(|(pair, (sender, receiver))| {
                let name = |n: usize| format!("peer-{:08}", first + pair * 2 + n);
                Ok(Link {
                    sender,
                    receivers: vec![receiver],
                    frame: self.message(&name(1), "room", Some(&name(2)))?,
                })
            })
            .collect()
    }

    fn room(&mut self, count: usize) -> anyhow::Result<Option<Link>> {
        if self.script.dialect == Dialect::Peer {
            return Ok(None);
        }
        let room = format!("room-{}", self.named);
        let (sender, from) = self.connect("")?;
        let receivers = (0..count)
            .map(|_| Ok(self.connect(&room)?.0))
            .collect::<anyhow::Result<_>>()?;
        Ok(Some(Link {
            sender,
            receivers,
            frame: self.message(&from, &room, None)?,
        }))
    }

    fn openers(&mut self, kind: Opening, threads: usize) -> anyhow::Result<Vec<Opener>> {
        if kind == Opening::Ticket {
            return Ok(Vec::new());
        }
        let (address, dialect) = (self.address, self.script.dialect);
        self.named += 1;
        let run = self.named;
        Ok((0..threads)
            .map(|thread| {
                let mut opened = 0;
                Box::new(move || {
                    opened += 1;
                    open(address, dialect, &format!("opener-{run}-{thread}-{opened}"), "").map(drop)
                }) as Opener
            })
            .collect())
    }
}

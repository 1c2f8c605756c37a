//! The server that Mesh started from: FastAPI under uvicorn, HS256 tokens decoded for each message (`peers/seed.py`).

use std::net::SocketAddr;

use anyhow::Context;
use serde_json::{Value, json};

use super::super::client::{Client, Http, TEXT, frame};
use super::super::load::Link;
use super::super::process::{Process, free_port, pinned};
use super::{Installed, Opener, Opening, Subject, filler};

pub(super) const NAME: &str = "seed (uvicorn)";

struct Seed {
    process: Process,
    address: SocketAddr,
    http: Http,
    token: String,
}

pub(super) fn start(installed: &Installed) -> anyhow::Result<Box<dyn Subject>> {
    let port = free_port()?;
    let arguments = [
        "-m",
        "uvicorn",
        "seed:app",
        "--no-access-log",
        "--log-level",
        "warning",
        "--port",
    ];
    let child = pinned(&installed.python)
        .args(arguments)
        .arg(port.to_string())
        .current_dir(&installed.folder)
        .spawn()?;
    let mut process = Process(child);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    process.wait_for(address)?;
    let mut http = Http::connect(address)?;
    let login = http.post(
        "/auth/login",
        "",
        &json!({"username": "bench", "password": "bench"}),
    )?;
    let token = text(&login, "token")?;
    Ok(Box::new(Seed {
        process,
        address,
        http,
        token,
    }))
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    Ok(value[key]
        .as_str()
        .with_context(|| format!("no {key}"))?
        .to_owned())
}

impl Seed {
    fn connect(&self) -> anyhow::Result<(Client, String)> {
        let mut client = Client::open(self.address, &format!("/ws?token={}", self.token), "")?;
        let welcome = client.receive_type("system.welcome")?;
        Ok((client, text(&welcome["payload"], "peer_id")?))
    }

    fn new_room(&mut self) -> anyhow::Result<String> {
        self.http = Http::connect(self.address)?;
        text(
            &self.http.post("/rooms", "", &json!({"name": "bench"}))?,
            "room_id",
        )
    }

    fn message(
        &mut self,
        kind: &str,
        cap: &str,
        room: &str,
        from: &str,
        to: Option<&str>,
    ) -> anyhow::Result<Vec<u8>> {
        let ask = json!({"room_id": room, "peer_id": from, "caps": [cap], "target_peer_id": to});
        let token = text(&self.http.post("/caps", "", &ask)?, "cap_token")?;
        let message = |filler: &str| {
            let mut payload =
                json!({"room_id": room, "cap_token": token, "candidate": {"candidate": filler}});
            if let Some(to) = to {
                payload["target"] = to.into();
            }
            json!({"type": kind, "payload": payload}).to_string()
        };
        Ok(frame(TEXT, message(&filler(message("").len())).as_bytes()))
    }
}

impl Subject for Seed {
    fn name(&self) -> &'static str {
        NAME
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn idle(&mut self, count: usize) -> anyhow::Result<Vec<Client>> {
        (0..count).map(|_| Ok(self.connect()?.0)).collect()
    }

    fn pairs(&mut self, count: usize) -> anyhow::Result<Vec<Link>> {
        let room = self.new_room()?;
        (0..count)
            .map(|_| {
                let (sender, from) = self.connect()?;
                let (receiver, to) = self.connect()?;
                let frame = self.message("rtc.ice", "rtc", &room, &from, Some(&to))?;
                Ok(Link {
                    sender,
                    receivers: vec![receiver],
                    frame,
                })
            })
            .collect()
    }

    fn room(&mut self, count: usize) -> anyhow::Result<Option<Link>> {
        let room = self.new_room()?;
        let (sender, from) = self.connect()?;
        let mut receivers = Vec::new();
        for _ in 0..count {
            let (mut client, _) = self.connect()?;
            client.send_json(&json!({"type": "room.join", "payload": {"room_id": room}}))?;
            client.receive_type("room.joined")?;
            receivers.push(client);
        }
        let frame = self.message("call.request", "call", &room, &from, None)?;
        Ok(Some(Link {
            sender,
            receivers,
            frame,
        }))
    }

    fn openers(&mut self, kind: Opening, threads: usize) -> anyhow::Result<Vec<Opener>> {
        if kind == Opening::Ticket {
            return Ok(Vec::new());
        }
        let (address, path) = (self.address, format!("/ws?token={}", self.token));
        Ok((0..threads)
            .map(|_| {
                let path = path.clone();
                Box::new(move || Client::open(address, &path, "")?.receive().map(drop)) as Opener
            })
            .collect())
    }
}

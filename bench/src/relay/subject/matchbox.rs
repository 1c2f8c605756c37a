//! The signalling server of matchbox: axum and tungstenite with their defaults, JSON parsed and written for each message.
//! It checks nothing, and has no message to a room.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::Context;
use serde_json::{Value, json};

use super::super::client::{Client, TEXT, frame};
use super::super::load::Link;
use super::super::process::{Process, free_port, pinned};
use super::{Installed, Opener, Opening, Subject, filler};

pub(super) const NAME: &str = "matchbox, no check";

struct Matchbox {
    process: Process,
    address: SocketAddr,
    rooms: usize,
}

pub(super) fn start(installed: &Installed) -> anyhow::Result<Box<dyn Subject>> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let child = pinned(&installed.matchbox)
        .arg(address.to_string())
        .env("RUST_LOG", "off")
        .stdout(Stdio::null())
        .spawn()?;
    let mut process = Process(child);
    process.wait_for(address)?;
    Ok(Box::new(Matchbox {
        process,
        address,
        rooms: 0,
    }))
}

/// What an event of one member says.
fn event(client: &mut Client, name: &str) -> anyhow::Result<String> {
    let told: Value = serde_json::from_slice(&client.receive()?)?;
    Ok(told[name]
        .as_str()
        .with_context(|| format!("no {name}"))?
        .to_owned())
}

/// To the point where the server has given it a name.
fn open(address: SocketAddr, room: &str) -> anyhow::Result<Client> {
    let mut client = Client::open(address, &format!("/{room}"), "")?;
    event(&mut client, "IdAssigned")?;
    Ok(client)
}

impl Matchbox {
    fn new_room(&mut self) -> String {
        self.rooms += 1;
        format!("room-{}", self.rooms)
    }

    fn link(&mut self) -> anyhow::Result<Link> {
        let room = self.new_room();
        let mut sender = open(self.address, &room)?;
        let receiver = open(self.address, &room)?;
        let to = event(&mut sender, "NewPeer")?;
        let text =
            |filler: &str| json!({"Signal": {"receiver": to, "data": {"candidate": filler}}}).to_string();
        Ok(Link {
            sender,
            receivers: vec![receiver],
            frame: frame(TEXT, text(&filler(text("").len())).as_bytes()),
        })
    }
}

impl Subject for Matchbox {
    fn name(&self) -> &'static str {
        NAME
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn idle(&mut self, count: usize) -> anyhow::Result<Vec<Client>> {
        (0..count)
            .map(|_| {
                let room = self.new_room();
                open(self.address, &room)
            })
            .collect()
    }

    fn pairs(&mut self, count: usize) -> anyhow::Result<Vec<Link>> {
        (0..count).map(|_| self.link()).collect()
    }

    fn room(&mut self, _: usize) -> anyhow::Result<Option<Link>> {
        Ok(None)
    }

    fn openers(&mut self, kind: Opening, threads: usize) -> anyhow::Result<Vec<Opener>> {
        if kind == Opening::Ticket {
            return Ok(Vec::new());
        }
        let address = self.address;
        Ok((0..threads)
            .map(|_| {
                let room = self.new_room();
                Box::new(move || open(address, &room).map(drop)) as Opener
            })
            .collect())
    }
}

//! Message brokers over their WebSocket listeners: NATS and mosquitto (MQTT 3.1.1, QoS 0). They check nothing.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::ensure;
use tempfile::TempDir;

use super::super::client::{BINARY, Client, frame};
use super::super::load::Link;
use super::super::process::{Process, free_port, pinned};
use super::{Installed, MESSAGE, Opener, Opening, Subject};

pub(super) const NATS: &str = "NATS, no check";
pub(super) const MOSQUITTO: &str = "mosquitto, no check";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Nats,
    Mqtt,
}

struct Broker {
    name: &'static str,
    dialect: Dialect,
    process: Process,
    address: SocketAddr,
    subjects: usize,
    _config: TempDir,
}

pub(super) fn nats(_: &Installed) -> anyhow::Result<Box<dyn Subject>> {
    let config = |port: u16, _: &str| {
        format!(
            "listen: \"127.0.0.1:-1\"\nwebsocket {{ listen: \"127.0.0.1:{port}\", no_tls: true, compression: false }}\n"
        )
    };
    start(NATS, Dialect::Nats, "/usr/sbin/nats-server", config)
}

pub(super) fn mosquitto(_: &Installed) -> anyhow::Result<Box<dyn Subject>> {
    // 2.0.11 counts no WebSocket listener among its sockets and gives up without another one.
    let config = |port: u16, folder: &str| {
        format!(
            "set_tcp_nodelay true\nuser root\nallow_anonymous true\nlistener {port} 127.0.0.1\nprotocol websockets\n\
             listener 0 {folder}/socket\n"
        )
    };
    start(MOSQUITTO, Dialect::Mqtt, "/usr/sbin/mosquitto", config)
}

fn start(
    name: &'static str,
    dialect: Dialect,
    program: &str,
    config: fn(u16, &str) -> String,
) -> anyhow::Result<Box<dyn Subject>> {
    let folder = tempfile::tempdir()?;
    let port = free_port()?;
    let file = folder.path().join("broker.conf");
    std::fs::write(&file, config(port, &folder.path().display().to_string()))?;
    let child = pinned(program)
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut process = Process(child);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    process.wait_for(address)?;
    Ok(Box::new(Broker {
        name,
        dialect,
        process,
        address,
        subjects: 0,
        _config: folder,
    }))
}

fn open(address: SocketAddr, dialect: Dialect) -> anyhow::Result<Client> {
    match dialect {
        Dialect::Nats => {
            let mut client = Client::open(address, "/", "")?;
            client.receive()?;
            client.send(
                BINARY,
                b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n",
            )?;
            ensure!(client.receive()?.starts_with(b"PONG"), "NATS did not welcome");
            Ok(client)
        }
        Dialect::Mqtt => {
            let mut client = Client::open(address, "/mqtt", "Sec-WebSocket-Protocol: mqtt\r\n")?;
            // CONNECT: clean session, no keep-alive, an identifier of the broker's choice.
            client.send(
                BINARY,
                &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 0],
            )?;
            ensure!(
                client.receive()?.first() == Some(&0x20),
                "mosquitto did not welcome"
            );
            Ok(client)
        }
    }
}

/// MQTT's remaining length.
fn varint(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (value % 128) as u8;
        value /= 128;
        out.push(if value > 0 { byte | 0x80 } else { byte });
        if value == 0 {
            return out;
        }
    }
}

fn mqtt_text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

impl Broker {
    fn new_subject(&mut self) -> String {
        self.subjects += 1;
        format!("subject-{:08}", self.subjects)
    }

    fn subscriber(&self, subject: &str) -> anyhow::Result<Client> {
        let mut client = open(self.address, self.dialect)?;
        match self.dialect {
            Dialect::Nats => {
                client.send(BINARY, format!("SUB {subject} 1\r\nPING\r\n").as_bytes())?;
            }
            Dialect::Mqtt => {
                let body = [&[0, 1][..], &mqtt_text(subject), &[0]].concat();
                client.send(BINARY, &[&[0x82][..], &varint(body.len()), &body].concat())?;
            }
        }
        client.receive()?;
        Ok(client)
    }

    fn message(&self, subject: &str) -> Vec<u8> {
        let payload = "x".repeat(MESSAGE);
        let bytes = match self.dialect {
            Dialect::Nats => format!("PUB {subject} {MESSAGE}\r\n{payload}\r\n").into_bytes(),
            Dialect::Mqtt => {
                let body = [&mqtt_text(subject), payload.as_bytes()].concat();
                [&[0x30][..], &varint(body.len()), &body].concat()
            }
        };
        frame(BINARY, &bytes)
    }

    fn link(&mut self, receivers: usize) -> anyhow::Result<Link> {
        let subject = self.new_subject();
        Ok(Link {
            sender: open(self.address, self.dialect)?,
            receivers: (0..receivers)
                .map(|_| self.subscriber(&subject))
                .collect::<anyhow::Result<_>>()?,
            frame: self.message(&subject),
        })
    }
}

impl Subject for Broker {
    fn name(&self) -> &'static str {
        self.name
    }

    fn process(&self) -> &Process {
        &self.process
    }

    /// Past a thousand descriptors mosquitto's WebSocket listener accepts no more.
    fn most(&self) -> usize {
        match self.dialect {
            Dialect::Nats => usize::MAX,
            Dialect::Mqtt => 500,
        }
    }

    fn idle(&mut self, count: usize) -> anyhow::Result<Vec<Client>> {
        (0..count).map(|_| open(self.address, self.dialect)).collect()
    }

    fn pairs(&mut self, count: usize) -> anyhow::Result<Vec<Link>> {
        (0..count).map(|_| self.link(1)).collect()
    }

    fn room(&mut self, count: usize) -> anyhow::Result<Option<Link>> {
        self.link(count).map(Some)
    }

    fn openers(&mut self, kind: Opening, threads: usize) -> anyhow::Result<Vec<Opener>> {
        if kind == Opening::Ticket {
            return Ok(Vec::new());
        }
        let (address, dialect) = (self.address, self.dialect);
        Ok((0..threads)
            .map(|_| Box::new(move || open(address, dialect).map(drop)) as Opener)
            .collect())
    }
}

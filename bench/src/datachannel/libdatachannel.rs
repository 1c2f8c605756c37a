//! The same end as `end`, carried by libdatachannel. Built with the feature `compare` only.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use datachannel::{
    DataChannelHandler, DataChannelInfo, IceCandidate, PeerConnectionHandler, RtcConfig, RtcDataChannel,
    RtcPeerConnection, SessionDescription,
};
use serde_json::json;

use super::end::{Meter, Options, Role, check, message, result_line};

/// What the library reports from its threads. Unbounded like the library's own queue: the other end waits for its
/// SCTP window, and this process only counts.
enum Event {
    Open,
    Message(Vec<u8>),
    Low,
    Channel(Box<RtcDataChannel<Handler>>),
    Closed,
}

#[derive(Clone)]
struct Handler(Sender<Event>);

impl DataChannelHandler for Handler {
    fn on_open(&mut self) {
        let _ = self.0.send(Event::Open);
    }
    fn on_closed(&mut self) {
        let _ = self.0.send(Event::Closed);
    }
    fn on_message(&mut self, message: &[u8]) {
        let _ = self.0.send(Event::Message(message.to_vec()));
    }
    fn on_buffered_amount_low(&mut self) {
        let _ = self.0.send(Event::Low);
    }
}

struct Peer {
    events: Sender<Event>,
    only_loopback: bool,
}

impl PeerConnectionHandler for Peer {
    type DCH = Handler;
    fn data_channel_handler(&mut self, _: DataChannelInfo) -> Handler {
        Handler(self.events.clone())
    }
    fn on_description(&mut self, description: SessionDescription) {
        if let Ok(line) = serde_json::to_string(&description) {
            say(&line);
        }
    }
    fn on_candidate(&mut self, candidate: IceCandidate) {
        if self.only_loopback && !candidate.candidate.contains(" 127.0.0.1 ") {
            return;
        }
        say(&json!({ "type": "candidate", "candidate": { "candidate": candidate.candidate, "sdpMid": candidate.mid } })
            .to_string());
    }
    fn on_data_channel(&mut self, channel: Box<RtcDataChannel<Handler>>) {
        let _ = self.events.send(Event::Channel(channel));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let (events, queue) = channel();
    let mut config = RtcConfig::new::<String>(&[]).max_message_size(256 << 10);
    if options.only_loopback {
        config = config.bind_address(&"127.0.0.1");
    }
    let peer = Peer {
        events: events.clone(),
        only_loopback: options.only_loopback,
    };
    let mut connection = RtcPeerConnection::new(&config, peer)?;
    let started = Instant::now();
    let mut channel = None;
    if options.offer {
        channel = Some(connection.create_data_channel("bench", Handler(events.clone()))?);
    }
    // Signalling comes on a thread: the library must be told while this one waits for its events.
    let (lines, signalling) = std::sync::mpsc::channel::<String>();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let mut open = false;
    while !open || channel.is_none() {
        if started.elapsed() > Duration::from_secs(30) {
            bail!("not open in time");
        }
        while let Ok(line) = signalling.try_recv() {
            on_line(&mut connection, &line)?;
        }
        match queue.recv_timeout(Duration::from_millis(2)) {
            Ok(Event::Open) => open = true,
            Ok(Event::Channel(opened)) => {
                channel = Some(opened);
                open = true;
            }
            _ => {}
        }
    }
    let opened = started.elapsed();
    let mut channel = channel.context("open without a channel")?;
    match options.role {
        Role::Send => send(options, &mut channel, &queue, opened)?,
        Role::Receive => receive(options, &mut channel, &queue, opened)?,
        Role::Both => bail!("only for a browser at the other end"),
    }
    std::thread::sleep(Duration::from_millis(300));
    std::process::exit(0);
}

fn on_line(connection: &mut RtcPeerConnection<Peer>, line: &str) -> anyhow::Result<()> {
    let value: serde_json::Value = serde_json::from_str(line)?;
    if value["type"] == "candidate" {
        connection.add_remote_candidate(&IceCandidate {
            candidate: value["candidate"]["candidate"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            mid: value["candidate"]["sdpMid"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        })?;
    } else if value["sdp"].is_string() {
        connection.set_remote_description(&serde_json::from_value(value)?)?;
    }
    Ok(())
}

fn send(
    options: &Options,
    channel: &mut RtcDataChannel<Handler>,
    queue: &Receiver<Event>,
    opened: Duration,
) -> anyhow::Result<()> {
    const HIGH_BYTES: usize = 4 << 20;
    let (total, size) = (options.mib << 20, options.message_kib << 10);
    channel.set_buffered_amount_low_threshold(HIGH_BYTES / 2)?;
    let meter = Meter::start();
    let mut offset = 0;
    loop {
        while offset < total && channel.buffered_amount() <= HIGH_BYTES {
            channel.send(&message(size, offset))?;
            offset += size as u64;
        }
        match queue.recv_timeout(Duration::from_secs(60)).context("stalled")? {
            Event::Message(done) if done == b"done" => break,
            Event::Closed => bail!("closed while sending"),
            _ => {}
        }
    }
    say(&result_line("send", &meter.stop(total, opened)));
    Ok(())
}

fn receive(
    options: &Options,
    channel: &mut RtcDataChannel<Handler>,
    queue: &Receiver<Event>,
    opened: Duration,
) -> anyhow::Result<()> {
    let total = options.mib << 20;
    let (mut received, mut meter) = (0, None);
    while received < total {
        match queue.recv_timeout(Duration::from_secs(60)).context("stalled")? {
            Event::Message(message) => {
                meter.get_or_insert_with(Meter::start);
                check(&message, received)?;
                received += message.len() as u64;
            }
            Event::Closed => bail!("closed while receiving"),
            _ => {}
        }
    }
    let readings = meter.context("nothing came")?.stop(total, opened);
    channel.send(b"done")?;
    say(&result_line("receive", &readings));
    Ok(())
}

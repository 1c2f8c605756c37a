//! One end of a measured data channel, as a process of its own.
//!
//! Owns the payload, the clock and the readings of this process. Signalling goes over standard input and output, one
//! JSON object a line, so that the parent (or a browser's driver) can carry it: `{"type":"offer"|"answer","sdp"}`,
//! `{"type":"candidate","candidate":{…}}`, and at the end `{"type":"result",…}`.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use mesh_peer::rtc::{Connection, ConnectionEvent, IceCandidate, MAX_RECORD_BYTES, RtcConfig, RtcTransport};
use mesh_peer::transport::{FrameReceiver, FrameSender, Transport};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin};

/// Which implementation carries the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stack {
    Mesh,
    Libdatachannel,
}

/// What this end does once the channel is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Send,
    Receive,
    /// Send, then receive as much: for a browser at the other end.
    Both,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[arg(long, value_enum, default_value = "mesh")]
    pub(crate) stack: Stack,
    #[arg(long, value_enum)]
    pub(crate) role: Role,
    /// This end makes the offer.
    #[arg(long)]
    pub(crate) offer: bool,
    /// Bytes to move, MiB.
    #[arg(long, default_value_t = 512)]
    pub(crate) mib: u64,
    /// Size of a message, KiB.
    #[arg(long, default_value_t = 64)]
    pub(crate) message_kib: usize,
    /// Socket buffers of the kernel's default size.
    #[arg(long)]
    pub(crate) default_buffers: bool,
    /// Offer 127.0.0.1 only.
    #[arg(long)]
    pub(crate) only_loopback: bool,
}

/// What a person wants to know of one end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Readings {
    pub(crate) megabytes_per_s: f64,
    pub(crate) cpu_s_per_gib: f64,
    pub(crate) peak_memory_mib: f64,
    /// Offer made to channel open, at the end that made it.
    pub(crate) open_ms: f64,
}

pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    match options.stack {
        Stack::Mesh => {
            // One worker: each end has about one core here, and a second thread only moves work between them.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            runtime.block_on(mesh(options))?;
            // A read of standard input may still be open on a thread of the runtime, which would wait for it.
            std::process::exit(0);
        }
        #[cfg(feature = "compare")]
        Stack::Libdatachannel => super::libdatachannel::run(&options),
        #[cfg(not(feature = "compare"))]
        Stack::Libdatachannel => bail!("built without it; build mesh-bench with --features compare"),
    }
}

/// Messages carry their byte offset in front, so that loss and disorder show.
pub(crate) fn message(size: usize, offset: u64) -> Vec<u8> {
    let mut message = vec![0x5a; size];
    message[..8].copy_from_slice(&offset.to_le_bytes());
    message
}

pub(crate) fn check(message: &[u8], expected: u64) -> anyhow::Result<()> {
    let offset = message
        .get(..8)
        .map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default()));
    if offset != Some(expected) {
        bail!("byte {expected} expected, message says {offset:?}");
    }
    Ok(())
}

/// CPU seconds of this process so far.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// The most memory this process ever held, MiB.
pub(crate) fn peak_memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1024.0
}

/// Clock and CPU from the start of a transfer.
pub(crate) struct Meter {
    start: Instant,
    cpu: f64,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            cpu: cpu_seconds(),
        }
    }

    pub(crate) fn stop(&self, bytes: u64, open: Duration) -> Readings {
        let gib = bytes as f64 / f64::from(1 << 30);
        Readings {
            megabytes_per_s: bytes as f64 / 1e6 / self.start.elapsed().as_secs_f64(),
            cpu_s_per_gib: (cpu_seconds() - self.cpu) / gib,
            peak_memory_mib: peak_memory_mib(),
            open_ms: open.as_secs_f64() * 1e3,
        }
    }
}

/// The line that ends this process's output.
pub(crate) fn result_line(direction: &str, readings: &Readings) -> String {
    json!({ "type": "result", "direction": direction, "readings": readings }).to_string()
}

async fn say(line: String) -> anyhow::Result<()> {
    let mut out = tokio::io::stdout();
    out.write_all(line.as_bytes()).await?;
    out.write_all(b"\n").await?;
    out.flush().await?;
    Ok(())
}

/// Only the candidates on 127.0.0.1, so that a forwarder can stand in the path.
fn only_loopback(sdp: &str) -> String {
    let keep = |line: &&str| !line.starts_with("a=candidate:") || line.contains(" 127.0.0.1 ");
    sdp.lines()
        .filter(keep)
        .fold(String::new(), |all, line| all + line + "\r\n")
}

async fn mesh(options: Options) -> anyhow::Result<()> {
    let config = RtcConfig {
        loopback: true,
        socket_buffer: options.default_buffers.then_some(0),
        ..RtcConfig::default()
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let (connection, mut events) = Connection::start(config, "bench")?;
    let own = |sdp: String| {
        if options.only_loopback {
            only_loopback(&sdp)
        } else {
            sdp
        }
    };
    let started = if options.offer {
        let started = Instant::now();
        say(
            json!({ "type": "offer", "sdp": own(connection.offer(Some(MAX_RECORD_BYTES)).await?) })
                .to_string(),
        )
        .await?;
        started
    } else {
        let line = lines.next_line().await?.context("no offer came")?;
        let offer: serde_json::Value = serde_json::from_str(&line)?;
        let started = Instant::now();
        let answer = connection
            .accept_offer(offer["sdp"].as_str().context("an offer has sdp")?)
            .await?;
        say(json!({ "type": "answer", "sdp": own(answer) }).to_string()).await?;
        started
    };
    let transport = loop {
        tokio::select! {
            line = lines.next_line() => on_line(&connection, &line?.context("the other end is gone")?).await?,
            event = events.recv() => match event.context("connection over")? {
                ConnectionEvent::Candidate(candidate) if !options.only_loopback => {
                    say(json!({ "type": "candidate", "candidate": candidate }).to_string()).await?;
                }
                ConnectionEvent::Open(transport) => break transport,
                ConnectionEvent::Closed(reason) => bail!(reason),
                _ => {}
            },
        }
    };
    let open = started.elapsed();
    transfer(&options, transport, lines, &connection, open).await?;
    // The last message must not be cut off: the other end closes when it has it.
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(2), events.recv()).await {
        if let ConnectionEvent::Closed(_) = event {
            break;
        }
    }
    Ok(())
}

async fn on_line(connection: &Connection, line: &str) -> anyhow::Result<()> {
    let message: serde_json::Value = serde_json::from_str(line)?;
    match message["type"].as_str() {
        Some("answer") => {
            connection
                .accept_answer(message["sdp"].as_str().context("an answer has sdp")?)
                .await?
        }
        Some("candidate") => {
            let candidate: IceCandidate = serde_json::from_value(message["candidate"].clone())?;
            connection.add_candidate(candidate).await?;
        }
        _ => {}
    }
    Ok(())
}

async fn transfer(
    options: &Options,
    transport: RtcTransport,
    mut lines: Lines<BufReader<Stdin>>,
    connection: &Connection,
    open: Duration,
) -> anyhow::Result<()> {
    let (sender, mut receiver) = transport.split();
    let work = async {
        if options.role != Role::Receive {
            let readings = send(options, &sender, &mut receiver, open).await?;
            say(result_line("send", &readings)).await?;
        }
        if options.role != Role::Send {
            let readings = receive(options, &sender, &mut receiver, open).await?;
            say(result_line("receive", &readings)).await?;
        }
        anyhow::Ok(())
    };
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return result,
            Ok(Some(line)) = lines.next_line() => on_line(connection, &line).await?,
        }
    }
}

async fn send(
    options: &Options,
    sender: &FrameSender,
    receiver: &mut FrameReceiver,
    open: Duration,
) -> anyhow::Result<Readings> {
    let (total, size) = (options.mib << 20, options.message_kib << 10);
    let meter = Meter::start();
    let mut offset = 0;
    while offset < total {
        sender
            .send(Bytes::from(message(size, offset)))
            .await
            .ok()
            .context("link closed while sending")?;
        offset += size as u64;
    }
    let done = receiver
        .recv()
        .await
        .context("link closed before the end was confirmed")?;
    if &done[..] != b"done" {
        bail!("unexpected answer");
    }
    Ok(meter.stop(total, open))
}

async fn receive(
    options: &Options,
    sender: &FrameSender,
    receiver: &mut FrameReceiver,
    open: Duration,
) -> anyhow::Result<Readings> {
    let total = options.mib << 20;
    let first = receiver
        .recv()
        .await
        .context("link closed before anything came")?;
    let meter = Meter::start();
    check(&first, 0)?;
    let mut received = first.len() as u64;
    while received < total {
        let frame = receiver.recv().await.context("link closed while receiving")?;
        check(&frame, received)?;
        received += frame.len() as u64;
    }
    let readings = meter.stop(total, open);
    sender
        .send(Bytes::from_static(b"done"))
        .await
        .ok()
        .context("link closed at the end")?;
    Ok(readings)
}

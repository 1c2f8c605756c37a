//! A shared terminal beside a bare one, ssh and sshx, in one run: keystroke to echo, bulk output, the first screen, memory.
//!
//! The programs take turns, so that what the machine does meanwhile meets all of them. Ours is a real daemon and viewers over
//! real DataChannels on loopback, all of which this process holds; the server introduces them and is out of the way then.
//! sshx's server carries every byte; its server and its client are processes of their own, its viewers are in this one too.

mod mesh;
mod plain;
mod report;
mod sshx;
mod targets;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use report::{Bulk, Echo, Measured};
use tokio::task::JoinSet;
use tokio::time::Interval;

#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each program; the medians count.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Keystrokes of each run, a key of each program in turn.
    #[arg(long, default_value_t = 1_000)]
    keys: usize,
    /// Keystrokes a second.
    #[arg(long, default_value_t = 10)]
    rate: u32,
    /// Lines of the bulk output.
    #[arg(long, default_value_t = 5_000_000)]
    lines: u64,
    /// How many watch when memory and bulk output are measured.
    #[arg(long, value_delimiter = ',', default_value = "1,10,50")]
    viewers: Vec<usize>,
    /// The host's name in the results; choose one that tells nobody anything.
    #[arg(long, default_value = "local")]
    host: String,
    /// Where the results go.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// A program that answers each key with itself; in shell.
const ECHO_SCRIPT: &str = "stty raw; echo ready; exec cat";
/// What a script says once all is written.
const END: &str = "that was all";
/// What it does then, until somebody ends it.
const REST: &str = "read go";

/// A terminal as its user has it: keys go in, and what comes is looked at.
trait Seat: Send + 'static {
    async fn type_in(&mut self, bytes: &str) -> anyhow::Result<()>;
    /// Waits for more output, and takes it.
    fn more(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;
    fn output(&mut self) -> &mut Output;

    /// Takes output until it has this in it.
    fn until(&mut self, text: &str) -> impl Future<Output = anyhow::Result<()>> + Send {
        let found = async move {
            while !self.output().take(text) {
                self.more().await?;
            }
            Ok(())
        };
        async { tokio::time::timeout(PATIENCE, found).await? }
    }
}

/// What came to a seat.
#[derive(Default)]
struct Output {
    /// What was not looked at yet.
    rest: Vec<u8>,
    received: usize,
}

impl Output {
    fn add(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        self.received += bytes.len();
    }

    /// Looks for this and forgets what it looked at, except for what may be its beginning.
    fn take(&mut self, text: &str) -> bool {
        let found = memchr::memmem::find(&self.rest, text.as_bytes());
        let done = found.map_or_else(
            || self.rest.len().saturating_sub(text.len().saturating_sub(1)),
            |at| at + text.len(),
        );
        self.rest.drain(..done);
        found.is_some()
    }
}

/// Types a letter when it is time, and waits until it is there: seconds.
async fn key(pace: &mut Interval, seat: &mut impl Seat, letter: char) -> anyhow::Result<f64> {
    let key = letter.to_string();
    pace.tick().await;
    let begun = Instant::now();
    seat.type_in(&key).await?;
    seat.until(&key).await?;
    let took = begun.elapsed().as_secs_f64();
    if letter == 'z' {
        // A new line, so that no row is ever full.
        seat.type_in("\r\n").await?;
        seat.until("\n").await?;
    }
    Ok(took)
}

/// A script that writes so many lines when it is told to, and how long that took it into a file, and then does this; in shell.
fn bulk_script(lines: u64, file: &std::path::Path, then: &str) -> String {
    let file = file.display();
    format!(
        "stty -echo; echo ready; read go; a=$(date +%s%N); seq 1 {lines}; b=$(date +%s%N); echo $((b-a)) >{file}; echo '{END}'; {then}"
    )
}

/// The seconds that such a script noted.
fn noted(file: &std::path::Path) -> anyhow::Result<f64> {
    let nanoseconds: f64 = std::fs::read_to_string(file)?.trim().parse()?;
    Ok(nanoseconds / 1e9)
}

/// Bulk output to some seats: seconds until the last of them has the last line, and of the program itself. Every seat is a
/// task of its own, as it would be a device of its own.
async fn bulk(mut seats: Vec<impl Seat>, file: &std::path::Path) -> anyhow::Result<Bulk> {
    for seat in &mut seats {
        seat.until("ready").await?;
    }
    let before: usize = seats.iter_mut().map(|seat| seat.output().received).sum();
    let count = seats.len();
    let begun = Instant::now();
    seats.first_mut().context("nobody watches")?.type_in("\r").await?;
    let mut watching = JoinSet::new();
    for mut seat in seats {
        watching.spawn(async move {
            seat.until(END).await?;
            anyhow::Ok(seat)
        });
    }
    let mut received = 0;
    // Nobody leaves before the last one is done.
    let mut done = Vec::new();
    while let Some(seat) = watching.join_next().await {
        let mut seat = seat??;
        received += seat.output().received;
        done.push(seat);
    }
    let seen = begun.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
    let each = (received - before) as f64 / count as f64;
    Ok(Bulk {
        seen,
        program: noted(file)?,
        received_mb: each / 1e6,
    })
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(options))
}

async fn measure(options: &Options) -> anyhow::Result<()> {
    let stage = tempfile::tempdir()?;
    let ssh = plain::Ssh::start(stage.path())?;
    let site = mesh::Site::start(stage.path()).await?;
    let peer = sshx::Sshx::find(stage.path())?;
    let mut bare = Measured::new("bare PTY");
    let mut by_ssh = Measured::new("ssh");
    let mut ours = Measured::new("mesh");
    let mut by_sshx = Measured::new("sshx");
    for _ in 0..options.rounds {
        let mut seats = (
            plain::Plain::start(&[], ECHO_SCRIPT)?,
            plain::Plain::start(&ssh.words(), ECHO_SCRIPT)?,
            site.typist().await.context("mesh")?,
            peer.typist().await.context("sshx")?,
        );
        seats.0.until("ready").await?;
        seats.1.until("ready").await?;
        let mut took = [const { Vec::new() }; 4];
        // A key of each in turn, so that what the machine does meanwhile meets all of them.
        let mut pace = tokio::time::interval(Duration::from_secs(1) / (4 * options.rate.max(1)));
        for letter in ('a'..='z').cycle().take(options.keys) {
            took[0].push(key(&mut pace, &mut seats.0, letter).await?);
            took[1].push(key(&mut pace, &mut seats.1, letter).await?);
            took[2].push(key(&mut pace, &mut seats.2, letter).await?);
            took[3].push(key(&mut pace, &mut seats.3.0, letter).await?);
        }
        drop(seats);
        site.stop()?;
        for (one, took) in [&mut bare, &mut by_ssh, &mut ours, &mut by_sshx]
            .into_iter()
            .zip(took)
        {
            one.echo.push(Echo::of(took));
        }
        for (one, words) in [(&mut bare, Vec::new()), (&mut by_ssh, ssh.words())] {
            let file = stage.path().join("took");
            let seat = plain::Plain::start(&words, &bulk_script(options.lines, &file, REST))?;
            one.add_bulk(1, bulk(vec![seat], &file).await?);
        }
        site.round(options, &mut ours).await.context("mesh")?;
        peer.round(options, &mut by_sshx).await.context("sshx")?;
    }
    report::print(&bare, &ours, &[&by_ssh, &by_sshx]);
    targets::print(&bare, &ours, &by_sshx);
    let measured = [bare, by_ssh, ours, by_sshx];
    crate::results::write(&options.results, &options.host, "terminal", &measured)
}

#[cfg(test)]
mod tests {
    use super::Output;

    #[test]
    fn a_text_is_found_in_two_pieces_and_once() {
        let mut output = Output::default();
        output.add(b"1\n2\nthat was");
        assert!(!output.take("that was all"));
        output.add(b" all\n");
        assert!(output.take("that was all"));
        assert!(!output.take("that was all"));
        assert_eq!(output.rest, b"\n");
        assert_eq!(output.received, 17);
    }
}

//! One data channel between two processes: ours and libdatachannel, one run, interleaved A B A B.
//!
//! Owns the cases, the carrying of signalling between the two ends (through a shaped path where the case has one) and
//! the results. What an end does is in `end`.

pub(crate) mod end;
#[cfg(feature = "compare")]
mod libdatachannel;
mod path;

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use end::{Readings, Stack};
use path::{Path, Shape};
use serde::Serialize;

#[derive(Args)]
pub(crate) struct Options {
    /// Runs of each stack in each case; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// MiB of a run on the bare loopback path; shaped paths take a share that lasts as long.
    #[arg(long, default_value_t = 512)]
    mib: u64,
    /// Only the cases whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// The host's name in the results; choose one that tells nobody anything.
    #[arg(long, default_value = "local")]
    host: String,
    /// Where the results go.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

struct Case {
    name: &'static str,
    default_buffers: bool,
    shape: Option<Shape>,
    /// Share of `--mib` for this case.
    divisor: u64,
}

const fn shape(name: &'static str, loss_per_100k: u64, rate_mbit_s: u64) -> Shape {
    Shape {
        name,
        round_trip_ms: 20,
        loss_per_100k,
        rate_mbit_s,
        queue_kib: 512,
    }
}

const CASES: [Case; 6] = [
    Case {
        name: "loopback",
        default_buffers: false,
        shape: None,
        divisor: 1,
    },
    Case {
        name: "loopback, default socket buffers",
        default_buffers: true,
        shape: None,
        divisor: 1,
    },
    Case {
        name: "20 ms, 200 Mbit/s, 512 KiB queue",
        default_buffers: false,
        shape: Some(shape("bottleneck", 0, 200)),
        divisor: 4,
    },
    Case {
        name: "20 ms, 200 Mbit/s, 64 KiB queue",
        default_buffers: false,
        shape: Some(Shape {
            queue_kib: 64,
            ..shape("shallow", 0, 200)
        }),
        divisor: 4,
    },
    Case {
        name: "20 ms, 0.1 % loss",
        default_buffers: false,
        shape: Some(shape("loss-0.1", 100, 0)),
        divisor: 16,
    },
    Case {
        name: "20 ms, 1 % loss",
        default_buffers: false,
        shape: Some(shape("loss-1", 1_000, 0)),
        divisor: 64,
    },
];

/// Every reading of one stack in one case.
#[derive(Serialize)]
struct Measured {
    case: &'static str,
    stack: Stack,
    mib: u64,
    shape: Option<Shape>,
    sender: Vec<Readings>,
    receiver: Vec<Readings>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut stacks = vec![Stack::Mesh];
    if cfg!(feature = "compare") {
        stacks.push(Stack::Libdatachannel);
    }
    let mut results = Vec::new();
    println!("| case | stack | MB/s, median (range) | CPU s/GiB, sender / receiver | open ms | peak MiB |");
    println!("|---|---|---|---|---|---|");
    for case in CASES
        .iter()
        .filter(|case| options.only.as_ref().is_none_or(|only| case.name.contains(only)))
    {
        let mib = (options.mib / case.divisor).max(8);
        let mut measured: Vec<Measured> = stacks
            .iter()
            .map(|stack| Measured {
                case: case.name,
                stack: *stack,
                mib,
                shape: case.shape,
                sender: Vec::new(),
                receiver: Vec::new(),
            })
            .collect();
        for _ in 0..options.rounds {
            for one in &mut measured {
                let (sender, receiver) = once(case, one.stack, mib)
                    .with_context(|| format!("{} with {:?}", case.name, one.stack))?;
                one.sender.push(sender);
                one.receiver.push(receiver);
            }
        }
        for one in &measured {
            print_row(one);
        }
        if let [ours, theirs] = &measured[..] {
            let ratio = median(&ours.receiver, |r| r.megabytes_per_s)
                / median(&theirs.receiver, |r| r.megabytes_per_s);
            println!("| | ratio | {ratio:.1} | | | |");
        }
        results.append(&mut measured);
    }
    write_results(options, &results)
}

fn median(readings: &[Readings], value: impl Fn(&Readings) -> f64) -> f64 {
    let mut values: Vec<f64> = readings.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn print_row(one: &Measured) {
    let rates = || one.receiver.iter().map(|r| r.megabytes_per_s);
    println!(
        "| {} | {} | {:.1} ({:.1}–{:.1}) | {:.1} / {:.1} | {:.0} | {:.0} |",
        one.case,
        one.stack
            .to_possible_value()
            .map_or_else(String::new, |v| v.get_name().to_owned()),
        median(&one.receiver, |r| r.megabytes_per_s),
        rates().fold(f64::INFINITY, f64::min),
        rates().fold(0.0, f64::max),
        median(&one.sender, |r| r.cpu_s_per_gib),
        median(&one.receiver, |r| r.cpu_s_per_gib),
        median(&one.sender, |r| r.open_ms),
        one.sender
            .iter()
            .chain(&one.receiver)
            .map(|r| r.peak_memory_mib)
            .fold(0.0, f64::max),
    );
}

fn write_results(options: &Options, results: &[Measured]) -> anyhow::Result<()> {
    let date = Command::new("date").arg("+%Y-%m-%d").output().context("date")?;
    let folder = format!(
        "{}-{}",
        String::from_utf8_lossy(&date.stdout).trim(),
        options.host
    );
    let folder = options.results.join(folder);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("datachannel.json");
    std::fs::write(&file, serde_json::to_string_pretty(&results)?)?;
    println!("\n{}", file.display());
    Ok(())
}

/// A child that does not outlive this run.
struct End(Child);

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(case: &Case, stack: Stack, mib: u64, offer: bool) -> anyhow::Result<End> {
    let mut command = Command::new(std::env::current_exe()?);
    let stack = stack.to_possible_value().context("a stack has a name")?;
    command.args([
        "datachannel-end",
        "--stack",
        stack.get_name(),
        "--mib",
        &mib.to_string(),
    ]);
    command.args(if offer {
        ["--role", "send"]
    } else {
        ["--role", "receive"]
    });
    command.args(offer.then_some("--offer"));
    command.args(case.default_buffers.then_some("--default-buffers"));
    command.args(case.shape.is_some().then_some("--only-loopback"));
    Ok(End(command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?))
}

/// One run: the readings of the sender and of the receiver.
fn once(case: &Case, stack: Stack, mib: u64) -> anyhow::Result<(Readings, Readings)> {
    let (mut sender, mut receiver) = (spawn(case, stack, mib, true)?, spawn(case, stack, mib, false)?);
    let path = case.shape.map(Path::start).transpose()?.map(Arc::new);
    let carry = |from: &mut End, to: &mut End, offerer: bool| -> anyhow::Result<_> {
        let lines = BufReader::new(from.0.stdout.take().context("piped")?).lines();
        let out = Arc::new(Mutex::new(to.0.stdin.take().context("piped")?));
        let path = path.clone();
        Ok(std::thread::spawn(move || {
            carry_lines(lines, &out, path.as_deref(), offerer)
        }))
    };
    let (one, two) = (
        carry(&mut sender, &mut receiver, true)?,
        carry(&mut receiver, &mut sender, false)?,
    );
    let join = |thread: std::thread::JoinHandle<anyhow::Result<Readings>>| match thread.join() {
        Ok(result) => result,
        Err(_) => bail!("the carrying thread panicked"),
    };
    Ok((join(one)?, join(two)?))
}

/// Carries one end's signalling to the other until it has its result.
fn carry_lines(
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    out: &Mutex<ChildStdin>,
    path: Option<&Path>,
    offerer: bool,
) -> anyhow::Result<Readings> {
    let mut result = None;
    for line in lines {
        let mut message: serde_json::Value = serde_json::from_str(&line?)?;
        if message["type"] == "result" {
            result = Some(serde_json::from_value(message["readings"].take())?);
            continue;
        }
        if let Some(path) = path {
            for at in ["/sdp", "/candidate/candidate"] {
                if let Some(text) = message.pointer_mut(at)
                    && let Some(changed) = text.as_str().map(|text| through(text, path, offerer))
                {
                    *text = changed.into();
                }
            }
        }
        // The other end may have ended already; its result says so.
        if let Ok(mut out) = out.lock() {
            let _ = writeln!(out, "{message}");
            let _ = out.flush();
        }
    }
    result.context("an end gave no result")
}

/// `text` with its candidates on 127.0.0.1 led through `path`.
fn through(text: &str, path: &Path, offerer: bool) -> String {
    let change = |line: &str| {
        if !line.contains("candidate:") {
            return line.to_owned();
        }
        let mut fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
        if let Some(addr) = fields
            .get(4..6)
            .and_then(|f| format!("{}:{}", f[0], f[1]).parse::<SocketAddr>().ok())
        {
            let shown = if offerer {
                path.offerer_is_at(addr);
                path.for_answerer
            } else {
                path.answerer_is_at(addr);
                path.for_offerer
            };
            fields[5] = shown.port().to_string();
        }
        fields.join(" ")
    };
    let mut changed = text.lines().map(change).collect::<Vec<_>>().join("\r\n");
    if text.ends_with('\n') {
        changed.push_str("\r\n");
    }
    changed
}

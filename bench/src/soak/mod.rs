//! The server over hours: a crowd that is there at once, and people who come and go.
//!
//! Test 58 of SECURITY.md: 2,000 sockets and 1,000 relayed messages a second, p99 below 50 ms, memory below 300 MiB. Test 60: memory that
//! does not grow while people come, talk, are cut off and go; and descriptors and tasks that are as many afterwards as before.
//! Both start the real program and look at it from outside. It ends with an error where a bound does not hold.

mod churn;
mod numbers;
mod server;
mod visitor;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

#[derive(Args)]
pub(crate) struct Options {
    /// How long people come and go. The growth of memory is judged from an hour on: below, it is stated.
    #[arg(long, default_value_t = 120)]
    minutes: u64,
    /// Only one of the two.
    #[arg(long)]
    only: Option<Part>,
    /// The server [default: the one that was built beside this program].
    #[arg(long)]
    server: Option<PathBuf>,
    /// The host's name in the results; choose one that tells nobody anything.
    #[arg(long, default_value = "local")]
    host: String,
    /// Where the results go.
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Crowd,
    Churn,
}

const CROWD_SOCKETS: usize = 2_000;
const CROWD_PER_S: f64 = 1_000.0;
const CROWD_TIME: Duration = Duration::from_secs(30);
const CROWD_P99_MS: f64 = 50.0;
const CROWD_MIB: f64 = 300.0;
const SLOPE_MIB_PER_H: f64 = 1.0;
/// What a run must last for its slope to say something.
const JUDGED_MINUTES: u64 = 60;

#[derive(Default, Serialize)]
struct Measured {
    #[serde(skip_serializing_if = "Option::is_none")]
    crowd: Option<crate::relay::Crowd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    churn: Option<churn::Churned>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let server = match &options.server {
        Some(server) => server.clone(),
        None => {
            let own = std::env::current_exe()?;
            own.parent().context("no folder")?.join("mesh-server")
        }
    };
    if !server.is_file() {
        bail!("there is no {}: run `cargo xtask soak`", server.display());
    }
    let wanted = |part| options.only.is_none_or(|only| only == part);
    let (mut measured, mut broken) = (Measured::default(), Vec::new());
    if wanted(Part::Crowd) {
        let crowd = crate::relay::crowd(&server, CROWD_SOCKETS, CROWD_PER_S, CROWD_TIME)?;
        broken.extend(judge_crowd(&crowd));
        measured.crowd = Some(crowd);
    }
    if wanted(Part::Churn) {
        let runtime = tokio::runtime::Runtime::new()?;
        let churned = runtime.block_on(churn::run(&server, Duration::from_secs(options.minutes * 60)))?;
        broken.extend(judge_churn(&churned, options.minutes));
        measured.churn = Some(churned);
    }
    crate::results::write(&options.results, &options.host, "soak", &measured)?;
    if !broken.is_empty() {
        bail!("{}", broken.join("; "));
    }
    Ok(())
}

fn judge_crowd(crowd: &crate::relay::Crowd) -> Vec<String> {
    println!(
        "t58: {} sockets, {:.0} relayed messages/s ({}, {} missing): p50 {:.2} ms, p99 {:.2} ms (bound {CROWD_P99_MS}), \
         {:.1} MiB at most (bound {CROWD_MIB})",
        crowd.sockets, crowd.per_s, crowd.relayed, crowd.missing, crowd.p50_ms, crowd.p99_ms, crowd.peak_mib
    );
    let mut broken = Vec::new();
    if crowd.missing > 0 {
        broken.push(format!("{} messages are missing", crowd.missing));
    }
    if crowd.p99_ms >= CROWD_P99_MS {
        broken.push(format!("p99 is {:.2} ms", crowd.p99_ms));
    }
    if crowd.peak_mib >= CROWD_MIB {
        broken.push(format!("{:.1} MiB of memory", crowd.peak_mib));
    }
    broken
}

fn judge_churn(churned: &churn::Churned, minutes: u64) -> Vec<String> {
    let judged = minutes >= JUDGED_MINUTES;
    let bound = if judged {
        format!("bound {SLOPE_MIB_PER_H}")
    } else {
        format!("stated only: it is judged from {JUDGED_MINUTES} minutes on")
    };
    println!(
        "t60: {minutes} min, {}\n     memory {:.1} → {:.1} MiB after the warm-up, slope {:+.2} MiB/h ({bound}); \
         descriptors {} → {}, tasks {} → {}",
        churned.done,
        churned.first_mib,
        churned.last_mib,
        churned.slope_mib_per_h,
        churned.before.descriptors,
        churned.after.descriptors,
        churned.before.tasks,
        churned.after.tasks
    );
    let mut broken = Vec::new();
    if judged && churned.slope_mib_per_h >= SLOPE_MIB_PER_H {
        broken.push(format!("memory grows by {:.2} MiB/h", churned.slope_mib_per_h));
    }
    if churned.after.descriptors > churned.before.descriptors {
        broken.push("more descriptors are open than before".to_owned());
    }
    if churned.after.tasks > churned.before.tasks {
        broken.push("more tasks are alive than before".to_owned());
    }
    broken
}

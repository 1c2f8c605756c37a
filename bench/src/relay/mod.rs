//! The relay of the control plane beside others, in one run: each server on one core, the load on another.
//!
//! Within a case the servers take turns (A B C, A B C), so that what the machine does meanwhile meets all of them. Two
//! figures count: what passes in a second, and the server's processor time for each message, which stays true where the
//! generator is the slower one.

mod case;
mod client;
pub(crate) mod cluster;
mod crowd;
mod load;
mod process;
mod report;
mod subject;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use case::{CASES, Case};
use clap::Args;
pub(crate) use crowd::{Crowd, crowd};
use report::Measured;
use subject::{KINDS, Subject};

#[derive(Args)]
pub(crate) struct Options {
    /// Readings of each server in each case; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of a reading.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Only the servers whose name contains one of these, separated by commas.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<String>,
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

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let installed = subject::install()?;
    process::prepare_generator()?;
    let kinds: Vec<_> = KINDS
        .iter()
        .filter(|kind| options.servers.is_empty() || options.servers.iter().any(|s| kind.name.contains(s)))
        .collect();
    let start = || -> anyhow::Result<Vec<Box<dyn Subject>>> {
        let started = kinds
            .iter()
            .map(|kind| (kind.start)(&installed).context(kind.name));
        started.collect()
    };
    let time = Duration::from_secs_f64(options.seconds);
    let mut running = start()?;
    let mut results = Vec::new();
    for case in CASES {
        if options
            .only
            .as_ref()
            .is_some_and(|only| !case.name().contains(only))
        {
            continue;
        }
        let mut measured: Vec<Measured> = running
            .iter()
            .map(|subject| Measured {
                case: case.name(),
                server: subject.name(),
                readings: Vec::new(),
            })
            .collect();
        for _ in 0..options.rounds {
            if *case == Case::Idle {
                running = start()?;
            }
            for (subject, measured) in running.iter_mut().zip(&mut measured) {
                let reading = case
                    .measure(&mut **subject, time)
                    .with_context(|| format!("{} with {}", case.name(), subject.name()))?;
                measured.readings.extend(reading);
            }
        }
        measured.retain(|one| !one.readings.is_empty());
        report::print_case(&measured);
        results.append(&mut measured);
        // After each case: a run that is stopped has been of use.
        crate::results::write(&options.results, &options.host, "relay", &results)?;
    }
    Ok(())
}

//! A crowd of our own server's: many sockets, a steady rate of messages, and what it costs in time and memory.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

use super::load::{Load, Offer};
use super::process::prepare_generator;
use super::subject::{Subject as _, mesh};

const WARM_UP: Duration = Duration::from_secs(3);

/// What was measured.
#[derive(Serialize)]
pub(crate) struct Crowd {
    pub(crate) sockets: usize,
    pub(crate) relayed: u64,
    pub(crate) missing: u64,
    pub(crate) per_s: f64,
    /// From the write to the read.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// The most that the server ever held, from its start on.
    pub(crate) peak_mib: f64,
}

/// `per_s` messages with capability tokens over `sockets` sockets, each message from one to another; with the server's own settings.
pub(crate) fn crowd(program: &Path, sockets: usize, per_s: f64, time: Duration) -> anyhow::Result<Crowd> {
    prepare_generator()?;
    let mut server = mesh::start_program(program)?;
    let links = server.pairs(sockets / 2)?;
    let mut load = Load::new(links)?;
    let counted = load.run(Offer::Rate(per_s), WARM_UP, time, || Ok(()))?;
    let percentile = |share: f64| {
        let at = (counted.latencies_us.len() as f64 * share) as usize;
        let found = counted.latencies_us.get(at);
        found.map(|us| us / 1e3).context("nothing was delivered")
    };
    Ok(Crowd {
        sockets,
        relayed: counted.delivered,
        missing: load.missing(),
        per_s: counted.delivered as f64 / counted.seconds,
        p50_ms: percentile(0.5)?,
        p99_ms: percentile(0.99)?,
        peak_mib: crate::process::peak_mib(server.process().0.id()).context("the server ended")?,
    })
}

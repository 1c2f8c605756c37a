//! What is measured of a server, one reading at a time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use super::load::{Link, Load, Offer};
use super::process::own_cpu_s;
use super::subject::{Opener, Opening, Subject};

/// Messages of a pair that are in flight: one, as between two that take turns, and as many as the candidates of a
/// connection that come at once.
const ALONE: usize = 1;
const BURST: usize = 4;
const WARM_UP: Duration = Duration::from_millis(700);
/// In a room every socket gets every message: this many wait for one, of the 256 that may.
const ROOM_WINDOW: usize = 32;
const IDLE_SOCKETS: usize = 1_000;
const PACED_PER_S: f64 = 5_000.0;
/// Connections that are opened at the same time.
const OPENERS: usize = 16;
/// How long a server may take to clear up after a case.
const SETTLE: Duration = Duration::from_millis(500);
/// After which a connection counts as idle.
const IDLE: Duration = Duration::from_secs(5);

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Pairs, and what each has in flight.
    Pairs(usize, usize),
    Room(usize),
    Paced(usize),
    Open(Opening),
    /// On a server that has just been started.
    Idle,
}

pub(super) const CASES: &[Case] = &[
    Case::Pairs(100, ALONE),
    Case::Pairs(1000, ALONE),
    Case::Pairs(100, BURST),
    Case::Pairs(1000, BURST),
    Case::Room(100),
    Case::Paced(100),
    Case::Open(Opening::Token),
    Case::Open(Opening::Ticket),
    Case::Idle,
];

/// One reading; what a case does not measure is absent.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Reading {
    /// Messages, deliveries or connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_s: Option<f64>,
    /// Processor time of the server for each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_cpu_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generator_cpu_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p50_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p99_us: Option<f64>,
    /// Resident bytes of an idle connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<f64>,
}

impl Case {
    pub(super) fn name(self) -> String {
        match self {
            Self::Pairs(pairs, ALONE) => format!("{pairs} pairs, messages/s"),
            Self::Pairs(pairs, window) => format!("{pairs} pairs in bursts of {window}, messages/s"),
            Self::Room(size) => format!("room of {size}, deliveries/s"),
            Self::Paced(pairs) => format!("{pairs} pairs at {PACED_PER_S} messages/s"),
            Self::Open(Opening::Token) => "connections/s".into(),
            Self::Open(Opening::Ticket) => "connections/s, each with a new ticket".into(),
            Self::Idle => "bytes per idle connection".into(),
        }
    }

    fn sockets(self) -> usize {
        match self {
            Self::Pairs(pairs, _) | Self::Paced(pairs) => pairs * 2,
            Self::Room(size) => size + 1,
            // They come and go faster than some servers clear up.
            Self::Open(_) | Self::Idle => IDLE_SOCKETS,
        }
    }

    /// `None` where the server has no such thing.
    pub(super) fn measure(
        self,
        subject: &mut dyn Subject,
        time: Duration,
    ) -> anyhow::Result<Option<Reading>> {
        if self.sockets() > subject.most() {
            return Ok(None);
        }
        let reading = match self {
            Self::Pairs(pairs, window) => {
                let links = subject.pairs(pairs)?;
                Some(relay(subject, links, Offer::Window(window), time)?)
            }
            Self::Room(size) => match subject.room(size)? {
                Some(link) => Some(relay(subject, vec![link], Offer::Window(ROOM_WINDOW), time)?),
                None => None,
            },
            Self::Paced(pairs) => {
                let links = subject.pairs(pairs)?;
                Some(relay(subject, links, Offer::Rate(PACED_PER_S), time)?)
            }
            Self::Open(kind) => {
                let openers = subject.openers(kind, OPENERS)?;
                if openers.is_empty() {
                    None
                } else {
                    Some(open(subject, openers, time)?)
                }
            }
            Self::Idle => Some(idle(subject)?),
        };
        std::thread::sleep(SETTLE);
        Ok(reading)
    }
}

fn relay(subject: &dyn Subject, links: Vec<Link>, offer: Offer, time: Duration) -> anyhow::Result<Reading> {
    let mut load = Load::new(links)?;
    let mut marks = Vec::new();
    let counted = load.run(offer, WARM_UP, time, || {
        marks.push((subject.process().cpu_s()?, own_cpu_s()?));
        Ok(())
    })?;
    let [before, after] = marks[..] else {
        anyhow::bail!("no marks");
    };
    let delivered = counted.delivered.max(1) as f64;
    let percentile = |share: f64| {
        let at = (counted.latencies_us.len() as f64 * share) as usize;
        counted.latencies_us.get(at).copied()
    };
    Ok(Reading {
        per_s: Some(counted.delivered as f64 / counted.seconds),
        server_cpu_us: Some((after.0 - before.0) * 1e6 / delivered),
        generator_cpu_us: Some((after.1 - before.1) * 1e6 / delivered),
        p50_us: percentile(0.5),
        p99_us: percentile(0.99),
        bytes: None,
    })
}

fn open(subject: &dyn Subject, openers: Vec<Opener>, time: Duration) -> anyhow::Result<Reading> {
    let (stop, opened) = (AtomicBool::new(false), AtomicU64::new(0));
    let (server, own, begun) = (subject.process().cpu_s()?, own_cpu_s()?, Instant::now());
    std::thread::scope(|scope| {
        let threads: Vec<_> = openers
            .into_iter()
            .map(|mut opener| {
                let (stop, opened) = (&stop, &opened);
                scope.spawn(move || -> anyhow::Result<()> {
                    while !stop.load(Ordering::Relaxed) {
                        opener()?;
                        opened.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().ok().context("a thread panicked")??;
        }
        anyhow::Ok(())
    })?;
    let opened = opened.load(Ordering::Relaxed).max(1) as f64;
    Ok(Reading {
        per_s: Some(opened / begun.elapsed().as_secs_f64()),
        server_cpu_us: Some((subject.process().cpu_s()? - server) * 1e6 / opened),
        generator_cpu_us: Some((own_cpu_s()? - own) * 1e6 / opened),
        ..Reading::default()
    })
}

fn idle(subject: &mut dyn Subject) -> anyhow::Result<Reading> {
    // What the first ones cost (accounts, code that is paged in, pools) is no cost of a connection.
    let warm = subject.idle(IDLE_SOCKETS / 10)?;
    std::thread::sleep(SETTLE * 4);
    let before = subject.process().resident()?;
    let sockets = subject.idle(IDLE_SOCKETS)?;
    std::thread::sleep(IDLE);
    let after = subject.process().resident()?;
    drop((warm, sockets));
    Ok(Reading {
        bytes: Some((after - before) / IDLE_SOCKETS as f64),
        ..Reading::default()
    })
}

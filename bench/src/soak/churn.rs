//! People who come and go for as long as wanted, and what the server holds meanwhile and afterwards.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use mesh_testkit::Socket;
use serde::Serialize;
use tokio::task::JoinSet;

use super::numbers::{Reading, floor, slope};
use super::server::Server;
use super::visitor::{Done, Place, Visitor};

const PEOPLE: usize = 40;
/// Of one person: together 20 visits a second.
const BETWEEN_VISITS: Duration = Duration::from_secs(2);
/// Opens what stays open: the pools of the database, threads, code that is paged in.
const WARM_UP: Duration = Duration::from_secs(30);
/// How long a peer that was cut off is kept, and a little more.
const KEPT: Duration = Duration::from_secs(130);
/// How long the rest may take to be gone.
const CLEARED: Duration = Duration::from_secs(60);
const BETWEEN_READINGS: Duration = Duration::from_secs(2);

/// What came of it.
#[derive(Serialize)]
pub(crate) struct Churned {
    pub(super) done: Done,
    /// When nobody but the host is there.
    pub(super) before: Reading,
    pub(super) after: Reading,
    pub(super) first_mib: f64,
    pub(super) last_mib: f64,
    pub(super) slope_mib_per_h: f64,
    readings: Vec<Reading>,
}

pub(super) async fn run(program: &Path, time: Duration) -> anyhow::Result<Churned> {
    let server = Server::start(program).await?;
    let names = server.people(PEOPLE).await?;
    let host = server.owner.join(&server.room).await?;
    let place = Place {
        url: server.url.clone(),
        room: server.room.clone(),
        host: host.peer_id.clone(),
    };
    let host = tokio::spawn(sit(host));

    phase(&server, &place, &names, WARM_UP, false, &mut Vec::new()).await?;
    let before = cleared(&server, None).await?;
    eprintln!("before: {before:?}");
    let mut readings = Vec::new();
    let done = phase(&server, &place, &names, time, true, &mut readings).await?;
    let after = cleared(&server, Some(&before)).await?;
    eprintln!("after: {after:?}");
    if host.is_finished() {
        bail!("the host lost its connection: {:?}", host.await);
    }
    host.abort();

    // Those who were cut off are kept for two minutes: before that their number grows, and with it the memory.
    let warm = (time / 10).max(KEPT).min(time / 2);
    let first = readings.first().context("no reading")?.seconds;
    let steady = readings
        .iter()
        .position(|reading| reading.seconds - first >= warm.as_secs_f64());
    let judged = floor(readings.get(steady.unwrap_or(0)..).unwrap_or_default());
    let mean = |part: &[Reading]| part.iter().map(|r| r.mib).sum::<f64>() / part.len().max(1) as f64;
    let tenth = judged.len().div_ceil(10);
    Ok(Churned {
        done,
        before,
        after,
        first_mib: mean(judged.get(..tenth).unwrap_or_default()),
        last_mib: mean(judged.get(judged.len() - tenth..).unwrap_or_default()),
        slope_mib_per_h: slope(&judged),
        readings,
    })
}

/// Reads what comes, so that the host is not cut off for being slow.
async fn sit(mut host: Socket) -> anyhow::Error {
    let mut beat = tokio::time::interval(Duration::from_millis(200));
    loop {
        beat.tick().await;
        if let Err(error) = host.drain().await {
            return error;
        }
    }
}

/// Everybody visits for `time`; all of their connections end with it. Readings are taken meanwhile.
async fn phase(
    server: &Server,
    place: &Place,
    names: &[String],
    time: Duration,
    may_cut: bool,
    readings: &mut Vec<Reading>,
) -> anyhow::Result<Done> {
    let begun = Instant::now();
    let mut people = JoinSet::new();
    for (n, name) in names.iter().enumerate() {
        let (place, name) = (place.clone(), name.clone());
        people.spawn(async move {
            // Not all in step.
            tokio::time::sleep(BETWEEN_VISITS.mul_f64(n as f64 / PEOPLE as f64)).await;
            let mut visitor = Visitor::new(place, &name).await?;
            let mut beat = tokio::time::interval(BETWEEN_VISITS);
            while begun.elapsed() < time {
                beat.tick().await;
                visitor.visit(may_cut).await?;
            }
            anyhow::Ok(visitor.done)
        });
    }
    let mut done = Done::default();
    let mut beat = tokio::time::interval(BETWEEN_READINGS);
    loop {
        tokio::select! {
            _ = beat.tick() => readings.push(server.reading().await?),
            ended = people.join_next() => match ended {
                Some(ended) => done += ended??,
                None => return Ok(done),
            },
        }
    }
}

/// Waits until only the host is left, and nothing more is held than `before`; or until it is clear that it stays.
async fn cleared(server: &Server, before: Option<&Reading>) -> anyhow::Result<Reading> {
    let begun = Instant::now();
    let mut beat = tokio::time::interval(BETWEEN_READINGS);
    let mut last: Option<Reading> = None;
    loop {
        beat.tick().await;
        let now = server.reading().await?;
        let alone = now.peers == 1 && now.sockets == 1;
        let same = |other: &Reading| other.descriptors == now.descriptors && other.tasks == now.tasks;
        let settled = match before {
            Some(before) => now.descriptors <= before.descriptors && now.tasks <= before.tasks,
            None => last.as_ref().is_some_and(same),
        };
        if alone && settled || begun.elapsed() > KEPT + CLEARED {
            return Ok(now);
        }
        last = Some(now);
    }
}

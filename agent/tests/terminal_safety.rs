//! What must hold for shared terminals whatever the others do: SECURITY.md, tests 32 to 38, with real shells behind a real
//! daemon. The engines are put through far more in `peer/tests/sim/`.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::world::onlooker::{Onlooker, Visitor};
use crate::world::{SOON, World};
use bytes::Bytes;
use mesh_agent::daemon::ipc::{Client, FromDaemon, Request};
use mesh_peer::session::SessionError;
use mesh_protocol::channel::{Frame, TermIn, TermResize, TermSize};
use mesh_protocol::ids::PeerId;
use mesh_protocol::signal::Reason;

/// Reads a file until it has this in it.
async fn written(file: &Path, text: &str) -> String {
    let begun = Instant::now();
    loop {
        let content = std::fs::read_to_string(file).unwrap_or_default();
        if content.contains(text) {
            return content;
        }
        assert!(
            begun.elapsed() < SOON,
            "{text:?} did not reach {}",
            file.display()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t32_10_000_inputs_of_who_only_watches_reach_no_shell() {
    const INPUTS: u32 = 10_000;
    let world = World::start().await;
    let (host, _daemon) = world.host().await;
    let heard = world.path("heard");
    let script = format!("stty raw -echo; echo ready; exec cat >{}", heard.display());
    let label = host.share(&[], &script).await;
    let mut seat = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    seat.until("the screen", |seat| seat.shows("ready")).await;
    for epoch in 0..INPUTS {
        let bytes = Bytes::from_static(b"rm -rf ~\r");
        seat.send(Frame::TermIn(TermIn { epoch, bytes })).await;
        if epoch % 100 == 0 {
            let size = TermSize { cols: 1, rows: 1 };
            seat.send(Frame::TermResize(TermResize { epoch, size })).await;
            seat.step().await;
        }
    }
    // What is typed with control comes after all of these.
    seat.control().await;
    assert!(seat.viewer.input(b"granted"));
    seat.look(Duration::from_millis(100)).await;
    let heard = written(&heard, "granted").await;
    println!(
        "t32: {INPUTS} inputs without a lease: {} bytes reached the shell",
        heard.len() - "granted".len()
    );
    assert_eq!(heard, "granted");
    assert_eq!(seat.viewer.size(), TermSize { cols: 80, rows: 24 });
}

#[tokio::test(flavor = "multi_thread")]
async fn t33_twenty_viewers_race_for_control_and_nobody_sees_a_second_holder() {
    const VIEWERS: usize = 20;
    const RACES: usize = 10;
    let world = World::start().await;
    let (host, _daemon) = world.host().await;
    let label = host.share(&[], "echo ready; exec cat").await;
    // A person has twenty sockets at most, and alice's host has one of hers.
    let bob = world.member("bob").await;
    let mut seats = Vec::new();
    for number in 0..VIEWERS {
        let who = if number % 2 == 0 { &world.alice } else { &bob };
        seats.push(Visitor::enter(&world, who).await.watch(&label).await);
    }
    let mut grants = 0;
    for _ in 0..RACES {
        futures_util::future::join_all(seats.iter().map(Onlooker::take)).await;
        let all = async {
            loop {
                for seat in &mut seats {
                    let _ = tokio::time::timeout(Duration::from_millis(1), seat.step()).await;
                }
                grants = seats
                    .iter()
                    .flat_map(|seat| &seat.holders)
                    .map(|(_, epoch)| *epoch)
                    .max()
                    .unwrap_or(0);
                let settled =
                    |seat: &Onlooker| seat.lease.as_ref().is_some_and(|lease| lease.epoch == grants);
                if grants > 0 && grants.is_multiple_of(VIEWERS as u32) && seats.iter().all(settled) {
                    return;
                }
            }
        };
        tokio::time::timeout(SOON, all)
            .await
            .expect("every wish is granted in turn");
    }
    let mut holders: HashMap<u32, PeerId> = HashMap::new();
    for (holder, epoch) in seats.iter().flat_map(|seat| &seat.holders) {
        let known = holders.entry(*epoch).or_insert_with(|| holder.clone());
        assert_eq!(known, holder, "two hold the grant {epoch}");
    }
    let believers = seats.iter().filter(|seat| seat.viewer.holds_control()).count();
    println!(
        "t33: {VIEWERS} real viewers, {RACES} races, {grants} grants: {believers} holder in the end, never two"
    );
    assert_eq!((believers, grants), (1, (VIEWERS * RACES) as u32));
}

#[tokio::test(flavor = "multi_thread")]
async fn t34_without_the_server_control_is_lost_within_65_s() {
    let world = World::start().await;
    let (host, _daemon) = world.host().await;
    let label = host.share(&[], "echo ready; exec cat").await;
    let mut seat = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    seat.control().await;
    let World { server, .. } = world;
    let begun = Instant::now();
    server.drain().await;
    assert!(seat.viewer.input(b"still direct\r"));
    seat.until("an echo past the server", |seat| seat.shows("still direct"))
        .await;
    // It tries to renew, in vain.
    seat.within(Duration::from_secs(65), "the end of control", |seat| {
        !seat.viewer.holds_control() || seat.closed
    })
    .await;
    println!(
        "t34: control was lost {:.1} s after the server",
        begun.elapsed().as_secs_f64()
    );
    assert!(
        begun.elapsed() > Duration::from_secs(25),
        "a server that is away for a moment ends nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t35_the_kill_switch_closes_a_flood_within_200_ms() {
    let world = World::start().await;
    let (host, _daemon) = world.host().await;
    let label = host
        .share(&[], "exec yes 'a line of a flood that nobody can read'")
        .await;
    let mut seat = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    let (seq, begun) = (seat.seq, Instant::now());
    seat.until("a flood", |seat| seat.seq > seq + 10 * 1024 * 1024)
        .await;
    let rate = (seat.seq - seq) as f64 / f64::from(1 << 20) / begun.elapsed().as_secs_f64();
    assert!(rate >= 10.0, "{rate:.1} MiB/s are no flood");
    let mut command = Client::connect(&host.socket()).await.unwrap().unwrap();
    let begun = Instant::now();
    let stopped = async {
        command.request(Request::Stop { share: None }).await.unwrap();
        let answer = command.answer().await.unwrap();
        assert!(
            matches!(answer, FromDaemon::Stopped { shares: 1, .. }),
            "{answer:?}"
        );
        begun.elapsed()
    };
    let (stopped, ()) = tokio::join!(
        stopped,
        seat.until("the end", |seat| seat.closed || seat.bye.is_some())
    );
    let seen = begun.elapsed();
    println!("t35: a flood at {rate:.0} MiB/s: stopped after {stopped:?}, seen by the viewer after {seen:?}");
    assert!(stopped <= Duration::from_millis(200) && seen <= Duration::from_millis(400));
}

/// Resident memory of a process, bytes.
fn resident(process: u32) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// `yes` to a viewer who reads 1 Mbit/s, for so long; another one types Ctrl-C.
async fn flood(time: Duration) {
    let world = World::start().await;
    let (host, daemon) = world.host().await;
    let ended = world.path("ended");
    let script = format!(
        "trap 'echo ended >{}; exit' INT; echo ready; read go; yes",
        ended.display()
    );
    let label = host.share(&[], &script).await;
    let mut slow = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    let mut fast = Visitor::enter(&world, &world.alice).await.watch(&label).await;
    for seat in [&mut slow, &mut fast] {
        seat.until("the screen", |seat| seat.shows("ready")).await;
    }
    fast.control().await;
    assert!(fast.viewer.input(b"\r"));
    let (before, mut most) = (resident(daemon.id()), 0);
    let begun = Instant::now();
    while begun.elapsed() < time {
        fast.look(Duration::from_millis(20)).await;
        let due = (begun.elapsed().as_secs_f64() * 125_000.0) as usize;
        while slow.bytes < due {
            let had = slow.bytes;
            slow.look(Duration::from_millis(1)).await;
            if slow.bytes == had {
                break;
            }
        }
        most = most.max(resident(daemon.id()));
    }
    let grown = most.saturating_sub(before) / 1024 / 1024;
    let typed = Instant::now();
    assert!(fast.viewer.input(b"\x03"));
    let (_, ()) = tokio::join!(
        written(&ended, "ended"),
        fast.until("the end", |seat| seat.exit.is_some() || seat.closed)
    );
    let took = typed.elapsed();
    println!(
        "t37: yes for {time:?}, {} bytes to a viewer at 1 Mbit/s and {} to a fast one: +{grown} MiB, Ctrl-C after {took:?}",
        slow.bytes, fast.bytes
    );
    assert!(grown < 32 && took <= Duration::from_millis(500));
}

#[tokio::test(flavor = "multi_thread")]
async fn t37_a_flood_to_a_slow_viewer_costs_no_memory_and_ends_with_ctrl_c() {
    flood(Duration::from_secs(10)).await;
}

/// All of test 37.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn t37_for_a_minute() {
    flood(Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t38_100_requests_without_consent_open_nothing() {
    const REQUESTS: usize = 100;
    let world = World::start().await;
    let host = world.machine("host").await;
    let mut daemon = host.mesh(&["up"]);
    daemon.until("This device is up").await;
    let mut visitor = Visitor::enter(&world, &world.alice).await;
    let mut opened = 0;
    for _ in 0..REQUESTS {
        match visitor.ask(None).await {
            Err(SessionError::Declined(Reason::Declined)) => {}
            Err(error) => panic!("{error}"),
            Ok(_) => opened += 1,
        }
    }
    let shares = host.done(&["status"]).await["shares"].as_array().unwrap().len();
    println!("t38: {REQUESTS} requests without consent: {opened} opened, {shares} shells started");
    assert_eq!((opened, shares), (0, 0));
}

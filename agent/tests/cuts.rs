//! Transfers between two machines whose network, or whose processes, end in the middle.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::world::distance::{host_far_away, over, world_nearby};
use crate::world::onlooker::Visitor;
use crate::world::{Machine, Running, World, hash_of, random_file, status};
use mesh_testkit::TestServer;
use mesh_testkit::link::Weather;
use serde_json::Value;

const MIB: u64 = 1 << 20;

/// Reads on until so many bytes stand, of those that the receiver tells of; gives how many they are.
async fn progressed(receiver: &mut Running, to: u64) -> u64 {
    loop {
        let line = receiver.until("\"progress\"").await;
        let event: Value = serde_json::from_str(&line).unwrap();
        let stands = event["bytes"].as_u64().unwrap();
        if stands >= to {
            return stands;
        }
    }
}

/// The command that offers this file to the machine called receiver.
fn offer<'a>(source: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let all = ["send", source.to_str().unwrap(), "--to", "receiver", "--json"];
    [&all[..], more].concat()
}

#[test]
fn t47_loss_delay_and_cuts_end_with_the_whole_file() {
    let weather = Weather {
        delay: Duration::from_millis(20),
        lost_one_in: 100,
        ..Weather::default()
    };
    over(weather, async |link| {
        let world = world_nearby(TestServer::builder()).await;
        let sender = world.machine("sender").await;
        let receiver = Machine::new(world.path("receiver")).within(&link.far_end());
        world.sign_in(&receiver, "receiver").await;
        let source = world.path("content");
        let hash = random_file(&source, 48);

        let begun = Instant::now();
        let mut receiving = receiver.receiving(&["--json"]).await;
        let mut sending = sender.mesh(&offer(&source, &["--throttle", "4M"]));
        let mut stands = 0;
        // Shorter than what ICE takes for the end of a connection, and longer.
        let cuts = [2, 25].map(Duration::from_secs);
        for cut in cuts {
            stands = progressed(&mut receiving, stands + 4 * MIB).await;
            link.turn(Weather { cut: true, ..weather });
            if cut > Duration::from_secs(10) {
                sending.until("\"lost\"").await;
                receiving.until("\"lost\"").await;
            } else {
                tokio::time::sleep(cut).await;
            }
            link.turn(weather);
        }
        let (sent, received) = tokio::join!(sending.finish(), receiving.finish());
        assert_eq!(status(&sent), Some(0), "{:?}", sent.1);
        assert_eq!(status(&received), Some(0), "{:?}", received.1);
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "t47: 48 MiB over 40 ms, 1 % loss and {} cuts: whole after {seconds:.0} s",
            cuts.len()
        );
        assert_eq!(hash_of(&receiver.downloads().join("content")), hash);
    });
}

#[test]
#[ignore = "a minute, which e2e/stories/terminalCut.spec.ts takes in every run: cargo xtask transfers"]
fn a_shell_whose_machine_was_cut_off_for_a_minute_is_the_same_afterwards() {
    const CUT: Duration = Duration::from_secs(60);
    let weather = Weather {
        delay: Duration::from_millis(5),
        ..Weather::default()
    };
    over(weather, async |link| {
        let world = world_nearby(TestServer::builder()).await;
        let (host, _daemon) = host_far_away(&world, link).await;
        let script = "echo shell $$ begins; i=0; while :; do i=$((i+1)); echo \"count $i.\"; sleep 0.1; done";
        let label = host.share(&[], script).await;
        let mut early = Visitor::enter(&world, &world.alice).await.watch(&label).await;
        early.control().await;
        early.until("output", |seat| seat.shows("count 10.")).await;
        let begins = |text: String| {
            text.lines()
                .find(|line| line.ends_with("begins"))
                .map(str::to_owned)
        };
        let shell = begins(early.text()).unwrap();

        link.turn(Weather { cut: true, ..weather });
        let cut = Instant::now();
        early.look(CUT).await;
        tokio::time::sleep(CUT.saturating_sub(cut.elapsed())).await;
        link.turn(weather);
        let begun = Instant::now();
        let mut late = Visitor::enter(&world, &world.alice).await.watch(&label).await;
        // What was written meanwhile is there, by the same shell.
        late.until("what was written meanwhile", |seat| seat.shows("count 400."))
            .await;
        println!(
            "cut off for {CUT:?}: seen again {:.1} s after",
            begun.elapsed().as_secs_f64()
        );
        assert_eq!(begins(late.text()), Some(shell));
        assert!(
            late.lease.as_ref().is_none_or(|lease| lease.holder.is_none()),
            "control outlived the cut"
        );
        // Who was there before was told, or goes on.
        early
            .until("the end, or more", |seat| seat.closed || seat.shows("count 400."))
            .await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_started_again_gets_the_rest_from_the_sender_that_waits() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let source = world.path("content");
    let hash = random_file(&source, 16);
    let mut receiving = receiver.receiving(&["--json"]).await;
    let sending = sender.mesh(&offer(&source, &["--throttle", "8M"]));
    progressed(&mut receiving, 4 * MIB).await;
    receiving.kill().await;
    let again = receiver
        .mesh(&["receive", "--yes", "--once", "--json"])
        .finish()
        .await;
    assert_eq!(status(&again), Some(0), "{:?}", again.1);
    let sent = sending.finish().await;
    assert_eq!(status(&sent), Some(0), "{:?}", sent.1);
    assert!(
        sent.1.iter().any(|line| line.contains("\"resumed\"")),
        "{:?}",
        sent.1
    );
    assert_eq!(hash_of(&receiver.downloads().join("content")), hash);
}

/// Kills one side, the other, and both in turn so often in the middle of a file, at a rate at which there is time for it.
async fn killed(mebibytes: usize, kills: usize, throttle: &str) {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let source = world.path("content");
    let hash = random_file(&source, mebibytes);
    let step = (mebibytes as u64 * MIB) / (kills as u64 + 2);
    let state = receiver.downloads().join("content.part.state");
    let (mut stood, mut noted, mut again) = (0, 0, 0);
    for kill in 0..kills {
        let mut receiving = receiver.receiving(&["--json"]).await;
        let sending = sender.mesh(&offer(&source, &["--throttle", throttle]));
        let first = progressed(&mut receiving, 1.max(noted)).await;
        again += noted.saturating_sub(first);
        // What comes beside it before it is told of, or until the kill, must not make it whole too soon.
        stood = progressed(&mut receiving, stood.max(first) + step / 4).await;
        match kill % 3 {
            0 => {
                receiving.kill().await;
                sending.interrupt().await;
            }
            1 => {
                sending.kill().await;
                receiving.interrupt().await;
            }
            _ => {
                tokio::join!(sending.kill(), receiving.kill());
            }
        }
        // A header of 48 bytes, then 36 for each chunk that was written.
        noted = (std::fs::metadata(&state).unwrap().len() - 48) / 36 * MIB;
    }
    let mut receiving = receiver.receiving(&["--json"]).await;
    let sent = sender.mesh(&offer(&source, &[])).finish().await;
    assert_eq!(status(&sent), Some(0), "{:?}", sent.1);
    let done = receiving.until("\"done\"").await;
    assert_eq!(status(&receiving.finish().await), Some(0));
    let done: Value = serde_json::from_str(&done).unwrap();
    let (moved, total) = (done["bytes"].as_u64().unwrap(), done["total"].as_u64().unwrap());
    println!(
        "t44: {mebibytes} MiB, {kills} kills: {noted} bytes had been noted before the last session, which moved {moved} of {total}; {again} of what was noted was not believed"
    );
    assert_eq!(hash_of(&receiver.downloads().join("content")), hash);
    assert_eq!(again, 0);
    let twice = (moved + noted).saturating_sub(total);
    assert!(twice * 100 <= total * 2, "{twice} bytes were sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_whichever_side_is_killed_the_rest_arrives() {
    killed(48, 4, "16M").await;
}

/// All of test 44: `cargo xtask transfers`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn t44_a_hundred_kills_in_1_gib() {
    killed(1024, 100, "12M").await;
}

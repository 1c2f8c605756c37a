//! Machines behind routers that translate addresses, and a relay for where nothing else gets through. The relay is a coturn
//! with the settings that are shipped.

use std::time::{Duration, Instant};

use crate::world::distance::{across, world_with_relay};
use crate::world::{Machine, Running, World, hash_of, random_file, status};
use mesh_testkit::TestClient;
use mesh_testkit::internet::{Internet, Nat, Site};
use serde_json::Value;

const MIB: u64 = 1 << 20;

/// A machine of somebody at a site of its own.
async fn machine_behind(
    world: &World,
    internet: &mut Internet,
    nat: Nat,
    owner: &TestClient,
    name: &str,
) -> Machine {
    machine_at(world, &internet.site(nat).unwrap(), owner, name).await
}

async fn machine_at(world: &World, site: &Site, owner: &TestClient, name: &str) -> Machine {
    let machine = Machine::new(world.path(name)).within(&site.words());
    world.sign_in_as(owner, &machine, name).await;
    machine
}

/// Sends a little; gives how they were joined, and how long that took.
async fn joined(sender: &Machine, source: &str, to: &str) -> (String, Duration) {
    let mut sending = sender.mesh(&["send", source, "--to", to, "--json"]);
    sending.until("\"waiting\"").await;
    let asked = Instant::now();
    sending.until("\"accepted\"").await;
    let took = asked.elapsed();
    let sent = sending.until("\"sent\"").await;
    assert_eq!(status(&sending.finish().await), Some(0));
    let sent: Value = serde_json::from_str(&sent).unwrap();
    (sent["path"].as_str().unwrap().to_owned(), took)
}

#[test]
fn t30_whatever_routers_are_between_two_machines_they_are_joined_within_10_s() {
    const MOST: Duration = Duration::from_secs(10);
    across(async |internet| {
        let relay = internet.relay().unwrap();
        let world = world_with_relay().await;
        let bob = world.member("bob").await;
        let source = world.path("content");
        let source = source.to_str().unwrap();
        random_file(source.as_ref(), 1);
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        for nat in Nat::ALL {
            let name = format!("from-{}", nat.name());
            senders.push(machine_behind(&world, internet, nat, &world.alice, &name).await);
            let name = format!("to-{}", nat.name());
            let receiver = machine_behind(&world, internet, nat, &bob, &name).await;
            let mut receiving = receiver.mesh(&["receive", "--yes", "--rename", "--json"]);
            receiving.until("\"waiting\"").await;
            receivers.push(receiving);
        }
        let mut wrong = Vec::new();
        for (from, sender) in Nat::ALL.into_iter().zip(&senders) {
            let to = Nat::ALL.map(|nat| format!("to-{}", nat.name()));
            let [a, b, c] = &to;
            let results = tokio::join!(
                joined(sender, source, a),
                joined(sender, source, b),
                joined(sender, source, c)
            );
            for (to, (path, took)) in Nat::ALL.into_iter().zip([results.0, results.1, results.2]) {
                let direct = from == Nat::None || to == Nat::None || (from, to) == (Nat::Cone, Nat::Cone);
                let (from, to) = (from.name(), to.name());
                println!(
                    "t30: {from} to {to}: {path}, joined after {:.1} s",
                    took.as_secs_f64()
                );
                if path != if direct { "direct" } else { "relayed" } || took > MOST {
                    wrong.push(format!("{from} to {to}: {path} after {took:?}"));
                }
            }
        }
        drop((receivers, relay));
        assert!(wrong.is_empty(), "{wrong:?}");
    });
}

/// Reads on until so many bytes stand, and nothing was lost meanwhile; gives how many they are.
async fn stands(receiver: &mut Running, at_least: u64) -> u64 {
    loop {
        let line = receiver.until("\"event\"").await;
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_ne!(event["event"], "lost", "the session ended");
        let bytes = event["bytes"].as_u64().unwrap_or(0);
        if event["event"] == "progress" && bytes >= at_least {
            return bytes;
        }
    }
}

#[test]
fn t31_a_relay_that_is_killed_and_started_again_ends_no_session() {
    const MOST: Duration = Duration::from_secs(15);
    across(async |internet| {
        let mut relay = internet.relay().unwrap();
        let world = world_with_relay().await;
        let alice = &world.alice;
        let sender = machine_behind(&world, internet, Nat::Symmetric, alice, "sender").await;
        let receiver = machine_behind(&world, internet, Nat::Symmetric, alice, "receiver").await;
        let source = world.path("content");
        let hash = random_file(&source, 24);
        let mut receiving = receiver.receiving(&["--json"]).await;
        let sending = ["send", source.to_str().unwrap(), "--to", "receiver", "--json"];
        let mut sending = sender.mesh(&[&sending[..], &["--throttle", "2M"]].concat());
        let path = sending.until("\"path\"").await;
        assert!(path.contains("\"relayed\""), "{path}");

        let stood = stands(&mut receiving, 4 * MIB).await;
        let killed = Instant::now();
        relay.kill();
        relay.revive().unwrap();
        // What was written and not told yet when it was killed is less than this.
        stands(&mut receiving, stood + 2 * MIB).await;
        let took = killed.elapsed();
        let (sent, received) = tokio::join!(sending.finish(), receiving.finish());
        println!(
            "t31: the relay was killed and started again: the session went on after {:.1} s",
            took.as_secs_f64()
        );
        assert_eq!(status(&sent), Some(0), "{:?}", sent.1);
        assert_eq!(status(&received), Some(0), "{:?}", received.1);
        assert_eq!(hash_of(&receiver.downloads().join("content")), hash);
        assert!(
            !sent.1.iter().any(|line| line.contains("\"lost\"")),
            "{:?}",
            sent.1
        );
        assert!(took <= MOST, "{took:?}");
    });
}

/// What `mesh doctor` ends with, and what it says of the ways to others.
async fn doctor(machine: &Machine) -> (Option<i32>, String) {
    let ended = machine.mesh(&["doctor", "--json"]).finish().await;
    let mut findings = ended
        .1
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let path = findings.rfind(|finding| finding["check"] == "path");
    let path = path.map_or_else(String::new, |path| path["text"].as_str().unwrap().to_owned());
    (status(&ended), path)
}

#[test]
fn the_doctor_tells_what_a_machine_is_behind_and_ends_with_what_is_wrong() {
    across(async |internet| {
        let mut relay = internet.relay().unwrap();
        let world = world_with_relay().await;
        for (nat, expected) in [
            (Nat::None, "direct: this device has the public address 5.6."),
            (Nat::Cone, "lets direct connections come about"),
            (
                Nat::Symmetric,
                "shows every destination another port: direct to devices with an open address, through a relay",
            ),
        ] {
            let machine = machine_behind(&world, internet, nat, &world.alice, nat.name()).await;
            let (code, path) = doctor(&machine).await;
            assert!(
                code == Some(0) && path.contains(expected),
                "{nat:?}: {code:?} {path}"
            );
        }
        let site = internet.site(Nat::Cone).unwrap();
        let machine = machine_at(&world, &site, &world.alice, "shut").await;
        site.block_udp().unwrap();
        let (code, path) = doctor(&machine).await;
        assert!(
            code == Some(5) && path.contains("the relay over TCP"),
            "{code:?} {path}"
        );
        relay.kill();
        let (code, path) = doctor(&machine).await;
        assert!(
            code == Some(5) && path.contains("no relay is reached"),
            "{code:?} {path}"
        );
        let (code, path) = doctor(&Machine::new(world.path("nobody"))).await;
        assert!(code == Some(3) && path.is_empty(), "{code:?} {path}");
    });
}

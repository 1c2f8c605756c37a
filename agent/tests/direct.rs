//! Promise 1: content goes from device to device. Two machines, no browser, one server that counts its bytes.

use crate::world::{World, hash_of, random_file};

/// What the server may see of a session that moves 1 GiB.
const SERVER_BYTES: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_crosses_two_machines_and_the_server_sees_less_than_64_kib() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let source = world.path("disk.img");
    let hash = random_file(&source, 1024);
    let before = world.server.traffic();

    let mut receiving = receiver.mesh(&["receive", "--yes", "--once"]);
    receiving.until("Waiting").await;
    let sending = sender.mesh(&["send", source.to_str().unwrap(), "--to", "Home"]);
    let (sent, said) = sending.finish().await;
    assert!(sent.success(), "{said:?}");
    assert!(receiving.finish().await.0.success());

    let after = world.server.traffic();
    let seen = (after.read - before.read) + (after.written - before.written);
    assert!(seen < SERVER_BYTES, "the server saw {seen} bytes");
    assert!(
        said.iter()
            .any(|line| line.contains(&format!("BLAKE3 {hash} verified"))),
        "{said:?}"
    );
    assert_eq!(hash_of(&receiver.downloads().join("disk.img")), hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_was_cut_goes_on_where_it_was() {
    let world = World::start().await;
    let (sender, receiver) = (world.machine("sender").await, world.machine("receiver").await);
    let source = world.path("disk.img");
    let hash = random_file(&source, 512);

    let mut receiving = receiver.mesh(&["receive", "--yes", "--once"]);
    receiving.until("Waiting").await;
    let mut sending = sender.mesh(&["send", source.to_str().unwrap(), "--to", "Home"]);
    sending.until("MB/s").await;
    drop(sending);
    receiving.until("was lost").await;
    assert!(
        !receiver.downloads().join("disk.img").exists(),
        "no half-written file under the final name"
    );
    let kept: u64 = std::fs::read_dir(receiver.downloads())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(kept > 0, "what had arrived is kept");

    // The receiver waits, and does not ask again.
    let (sent, said) = sender
        .mesh(&["send", source.to_str().unwrap(), "--to", "Home"])
        .finish()
        .await;
    assert!(sent.success(), "{said:?}");
    receiving.until("goes on").await;
    assert!(receiving.finish().await.0.success());
    assert_eq!(hash_of(&receiver.downloads().join("disk.img")), hash);
}

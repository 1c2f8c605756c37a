//! Test 56 of the list in `SECURITY.md`: what runs from device to device does not notice that the server goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::rtc_common::{loopback, open_both, start};
use bytes::Bytes;
use mesh_peer::transport::Transport;
use mesh_protocol::ids::RoomId;
use mesh_testkit::{Socket, TestClient, TestServer};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

const PAIRS: usize = 20;
const FRAME: usize = 1_024;
/// Frames that every pair carries after the server is gone.
const AFTER: u64 = 200;
const SOON: Duration = Duration::from_secs(40);

/// Sends a description through the server, with a capability for it, and reads it at the other end.
async fn through_server(
    client: &TestClient,
    room: &RoomId,
    (from, to): (&mut Socket, &mut Socket),
    kind: &str,
    session: &str,
    sdp: &str,
) -> String {
    let ask = json!({"target_peer_id": to.peer_id, "session_id": session});
    let token = client
        .cap(room, &from.peer_id, &["call", "rtc"], ask)
        .await
        .unwrap();
    let message = json!({"room_id": room, "target": to.peer_id, "session_id": session, "feature": "call", "sdp": sdp,
        "cap_token": token});
    from.send(kind, message).await.unwrap();
    let relayed = to.expect(kind).await.unwrap();
    relayed["payload"]["sdp"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t56_20_live_data_channels_drop_nothing_while_the_server_goes() {
    let builder = TestServer::builder().config(|config| config.limits.frame_burst = 10_000);
    let server = builder.start().await.unwrap();
    let (alice, bob) = (
        server.client("alice").await.unwrap(),
        server.client("bob").await.unwrap(),
    );
    let room = server.room(&alice, &[&bob]).await.unwrap();
    let (mut at_alice, mut at_bob) = (alice.join(&room).await.unwrap(), bob.join(&room).await.unwrap());
    let (progress, mut arrived) = mpsc::channel(PAIRS);
    let gone = Arc::new(AtomicBool::new(false));
    let mut receiving = JoinSet::new();
    for nth in 0..PAIRS {
        let (a, b) = (start(loopback(), "call"), start(loopback(), "call"));
        let session = format!("s{nth}");
        let offer = a.connection.offer(None).await.unwrap();
        let ends = (&mut at_alice, &mut at_bob);
        let offer = through_server(&alice, &room, ends, "rtc.offer", &session, &offer).await;
        let answer = b.connection.accept_offer(&offer).await.unwrap();
        let ends = (&mut at_bob, &mut at_alice);
        let answer = through_server(&bob, &room, ends, "rtc.answer", &session, &answer).await;
        a.connection.accept_answer(&answer).await.unwrap();
        let (a, b) = open_both(a, b).await;
        let (sender, _unused) = a.transport.split();
        let (_kept, mut receiver) = b.transport.split();
        receiving.spawn({
            let (gone, progress) = (gone.clone(), progress.clone());
            async move {
                let _open = (a.connection, b.connection, _unused, _kept);
                let send = async {
                    let mut ticks = interval(Duration::from_millis(1));
                    for number in 0_u64.. {
                        let mut frame = vec![0; FRAME];
                        frame[..8].copy_from_slice(&number.to_be_bytes());
                        sender.send(Bytes::from(frame)).await.unwrap();
                        ticks.tick().await;
                    }
                };
                let receive = async {
                    let (mut received, mut after) = (0_u64, 0);
                    while after < AFTER {
                        let frame = timeout(SOON, receiver.recv()).await.unwrap().unwrap();
                        assert_eq!(frame[..8], received.to_be_bytes(), "none missing, none twice");
                        if received == 0 {
                            progress.send(()).await.unwrap();
                        }
                        received += 1;
                        after += u64::from(gone.load(Ordering::Relaxed));
                    }
                    received
                };
                tokio::select! {
                    () = send => unreachable!("it sends for ever"),
                    received = receive => received,
                }
            }
        });
    }
    drop(progress);
    for _ in 0..PAIRS {
        arrived.recv().await.unwrap();
    }
    drop((at_alice, at_bob));
    let begun = Instant::now();
    server.drain().await;
    let took = begun.elapsed();
    gone.store(true, Ordering::Relaxed);
    let mut frames = 0;
    while let Some(received) = receiving.join_next().await {
        frames += received.unwrap();
    }
    println!(
        "the server went in {took:?}; {PAIRS} channels carried {frames} frames before and after, 0 lost"
    );
    assert!(took < Duration::from_secs(15), "{took:?}");
}

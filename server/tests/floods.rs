//! Tests 18 to 22 of the list in `SECURITY.md`: what one client does to the server never costs another.

use std::time::{Duration, Instant};

use crate::common::process::Running;
use anyhow::Result;
use futures_util::future::join_all;
use mesh_protocol::ids::RoomId;
use mesh_testkit::{Closed, Socket, TestClient, TestServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tungstenite::Message;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

fn typing(room: &RoomId) -> Value {
    json!({"room_id": room, "typing": true})
}

/// How long messages take from one socket to another meanwhile, at the rate that a client may have.
async fn trips_until(
    from: &mut Socket,
    to: &mut Socket,
    room: &RoomId,
    over: impl Fn() -> bool,
) -> Result<Vec<Duration>> {
    let mut trips = Vec::new();
    let mut ticks = interval(Duration::from_millis(20));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !over() {
        ticks.tick().await;
        let begun = Instant::now();
        from.send("chat.typing", typing(room)).await?;
        to.expect("chat.typing").await?;
        trips.push(begun.elapsed());
        from.expect("chat.typing").await?;
    }
    Ok(trips)
}

fn percentile(mut sample: Vec<Duration>, share: f64) -> Duration {
    sample.sort_unstable();
    sample[((sample.len() - 1) as f64 * share) as usize]
}

/// Frames that no client of ours would send: text that is no message, and no text.
fn malformed(nth: usize) -> Message {
    match nth % 8 {
        0 => Message::text("{"),
        1 => Message::text(format!("[{nth}]")),
        2 => Message::text(format!("{{\"type\":{nth}}}")),
        3 => Message::text(format!("{{\"type\":\"room.join\",\"payload\":\"{nth}\"}}")),
        4 => Message::text("[".repeat(nth % 60_000)),
        5 => Message::text("{\"type\":\"a\",\"type\":\"b\"}"),
        6 => Message::text(format!("\u{0}{nth}")),
        _ => Message::binary(vec![0xFF; nth % 1_000]),
    }
}

#[tokio::test]
async fn t18_10_000_malformed_frames_cost_their_sender_alone() -> Result<()> {
    const SOCKETS: usize = 1_000;
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let mallory = server.client("mallory").await?;
    let room = server.room(&alice, &[&bob]).await?;
    let (mut a, mut b) = (alice.join(&room).await?, bob.join(&room).await?);
    let flood = tokio::spawn(async move {
        let mut survived = 0;
        for nth in 0..SOCKETS {
            let mut socket = mallory.connect().await?;
            for frame in 0..10 {
                socket.send_frame(malformed(nth * 10 + frame)).await?;
            }
            for _ in 0..10 {
                let answer = socket.expect("error").await?;
                assert_eq!(answer["payload"]["code"], "BAD_FRAME");
                survived += 1;
            }
            assert_eq!(socket.closed().await, Closed(Some(4429)));
        }
        anyhow::Ok(survived)
    });
    let trips = trips_until(&mut a, &mut b, &room, || flood.is_finished()).await?;
    let answered = flood.await??;
    let p99 = percentile(trips, 0.99);
    println!(
        "{answered} malformed frames answered, each tenth closed its socket; the others' p99 was {p99:?}"
    );
    assert_eq!(answered, 10_000);
    assert!(p99 < Duration::from_millis(50), "{p99:?}");
    Ok(())
}

/// The client of a server that runs as a process of its own, with its first account.
async fn owner(server: &Running) -> Result<TestClient> {
    let mut client = TestClient::new(&server.url);
    let account =
        json!({"setup_token": server.setup_token(), "username": "alice", "password": mesh_testkit::PASSWORD});
    let session = client.post("/auth/setup", account).await?;
    client.adopt(&session);
    Ok(client)
}

fn part(first: bool, bytes: usize) -> Message {
    let data = if first { Data::Text } else { Data::Continue };
    Message::Frame(Frame::message(vec![b' '; bytes], OpCode::Data(data), false))
}

#[tokio::test]
async fn t19_a_frame_too_large_and_one_without_end_close_with_1009_and_hold_no_memory() -> Result<()> {
    const EACH: usize = 200;
    let dir = tempfile::tempdir()?;
    let server = Running::start(dir.path(), "127.0.0.1:0", &[])?;
    let alice = owner(&server).await?;
    let attack = async |kind: usize| -> Result<()> {
        let mut socket = alice.connect().await?;
        match kind {
            0 => socket.send_text("x".repeat(64 * 1024 + 1)).await?,
            1 => {
                // The server closes in the middle of it.
                socket.send_frame(part(true, 1_024)).await?;
                while socket.send_frame(part(false, 1_024)).await.is_ok() {}
            }
            _ => {
                socket.send_frame(part(true, 0)).await?;
                for _ in 0..10_000 {
                    socket.send_frame(part(false, 0)).await?;
                }
                socket.send_frame(part(false, 64 * 1024 + 1)).await?;
            }
        }
        assert_eq!(socket.closed().await, Closed(Some(1009)), "{kind}");
        Ok(())
    };
    for kind in 0..3 {
        attack(kind).await?;
    }
    let before = server.most_resident()?;
    for nth in 0..EACH {
        attack(nth % 3).await?;
    }
    // The kernel counts in batches: a peak read later may be a little lower.
    let grown = server.most_resident()?.saturating_sub(before);
    println!(
        "{EACH} frames too large or without end: the server's peak grew by {} KiB",
        grown / 1024
    );
    assert!(grown < 5 * 1024 * 1024, "{grown}");
    Ok(())
}

#[tokio::test]
async fn t20_5_000_frames_a_second_are_limited_and_slow_nobody() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let mallory = server.client("mallory").await?;
    let room = server.room(&alice, &[&bob]).await?;
    let flooded = server.room(&mallory, &[]).await?;
    let (mut a, mut b) = (alice.join(&room).await?, bob.join(&room).await?);
    let mut m = mallory.join(&flooded).await?;
    let seconds = 3;
    let flood = tokio::spawn(async move {
        let (mut relayed, mut limited) = (0, 0);
        let mut ticks = interval(Duration::from_millis(10));
        for _ in 0..seconds * 100 {
            ticks.tick().await;
            for _ in 0..50 {
                m.send("chat.typing", typing(&flooded)).await?;
            }
            for _ in 0..50 {
                match m.next().await {
                    Ok(message) if message["type"] == "chat.typing" => relayed += 1,
                    Ok(message) => {
                        assert_eq!(message["payload"]["code"], "RATE_LIMITED");
                        limited += 1;
                    }
                    Err(closed) => anyhow::bail!("{closed:?}"),
                }
            }
        }
        anyhow::Ok((relayed, limited))
    });
    let begun = Instant::now();
    let trips = trips_until(&mut a, &mut b, &room, || flood.is_finished()).await?;
    let took = begun.elapsed().as_secs_f64();
    let (relayed, limited) = flood.await??;
    let p99 = percentile(trips, 0.99);
    let rate = f64::from(relayed + limited) / took;
    println!("{rate:.0} frames/s: {relayed} relayed, {limited} refused; the others' p99 was {p99:?}");
    assert!(
        f64::from(relayed) <= 100.0 + 50.0 * (took + 1.0),
        "{relayed} in {took} s"
    );
    assert!(p99 < Duration::from_millis(50), "{p99:?}");
    Ok(())
}

/// A room of fifty; everybody but the first reads all the time.
async fn fifty(server: &TestServer, owner: &TestClient) -> Result<(RoomId, Socket)> {
    let room = server.room(owner, &[]).await?;
    let first = owner.join(&room).await?;
    for nth in 0..49 {
        let member = server.client(&format!("{room}-{nth}")).await?;
        let invite = owner
            .post(&format!("/rooms/{room}/invites"), json!({"max_uses": 1}))
            .await?;
        member
            .post("/rooms/join", json!({"invite": invite["token"]}))
            .await?;
        let mut socket = member.join(&room).await?;
        tokio::spawn(async move { while socket.next().await.is_ok() {} });
    }
    Ok((room, first))
}

/// Members that do not read, one after the other.
const SLEEPERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t21_a_member_of_fifty_who_does_not_read_is_cut_and_the_sender_does_not_notice() -> Result<()> {
    let server = TestServer::builder()
        .config(|config| {
            config.limits.frames_per_second = 100_000;
            config.limits.frame_burst = 100_000;
        })
        .start()
        .await?;
    let alice = server.client("alice").await?;
    let (with, mut stalled) = fifty(&server, &alice).await?;
    let (without, mut smooth) = fifty(&server, &alice).await?;
    // Some 60 KiB each: the kernel's buffers fill, then the queue.
    let filler = "x".repeat(60_000);
    let echo = async |socket: &mut Socket, room: &RoomId| -> Result<Duration> {
        let begun = Instant::now();
        let payload = json!({"room_id": room, "typing": true, "filler": filler});
        socket.send("chat.typing", payload).await?;
        socket.expect("chat.typing").await?;
        Ok(begun.elapsed())
    };
    // In turns, so that whatever the machine does meanwhile meets both; some sleepers, so that it meets both alike.
    let (mut slow, mut fast, mut cut_after) = (Vec::new(), Vec::new(), Duration::ZERO);
    for _ in 0..SLEEPERS {
        let mut sleeper = alice.join(&with).await?;
        stalled.drain().await?;
        smooth.drain().await?;
        let begun = Instant::now();
        while server.socket_count() == 101 {
            if slow.len() % 2 == 0 {
                slow.push(echo(&mut stalled, &with).await?);
                fast.push(echo(&mut smooth, &without).await?);
            } else {
                fast.push(echo(&mut smooth, &without).await?);
                slow.push(echo(&mut stalled, &with).await?);
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "never cut");
        }
        cut_after = cut_after.max(begun.elapsed());
        assert_eq!(sleeper.closed().await, Closed(Some(4408)));
    }
    let (slow, fast) = (percentile(slow, 0.5), percentile(fast, 0.5));
    let ratio = slow.as_secs_f64() / fast.as_secs_f64();
    println!(
        "cut after {cut_after:?} at most; the sender's median was {slow:?}, in a room without one {fast:?}: {ratio:.2}"
    );
    assert!(cut_after < Duration::from_secs(5), "{cut_after:?}");
    assert!(ratio < 1.2, "{ratio}");
    Ok(())
}

#[tokio::test]
async fn t22_500_half_open_handshakes_are_reaped_within_10_s() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    // One after the other: a burst that the kernel's own queue does not take never reaches the server.
    let mut half_open = Vec::new();
    for nth in 0..500 {
        let mut stream = TcpStream::connect(server.address()).await?;
        let sent: &[u8] = match nth % 3 {
            0 => b"",
            1 => b"GET /ws HTTP/1.1\r\nHost: x\r\n",
            _ => b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ",
        };
        stream.write_all(sent).await?;
        half_open.push((stream, Instant::now()));
    }
    let lazy = join_all(half_open.into_iter().map(async |(mut stream, begun)| {
        let mut answer = Vec::new();
        timeout(Duration::from_secs(12), stream.read_to_end(&mut answer)).await??;
        anyhow::Ok(begun.elapsed())
    }));
    let others = async {
        let mut ticks = interval(Duration::from_millis(200));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut slowest = Duration::ZERO;
        for _ in 0..30 {
            ticks.tick().await;
            let begun = Instant::now();
            alice.connect().await?.close().await?;
            slowest = slowest.max(begun.elapsed());
        }
        anyhow::Ok(slowest)
    };
    let (lazy, slowest) = tokio::join!(lazy, others);
    let reaped = lazy.into_iter().collect::<Result<Vec<_>>>()?;
    let last = reaped.iter().max().copied().unwrap_or_default();
    println!(
        "{} half-open handshakes reaped, the last after {last:?}; meanwhile a socket opened within {:?}",
        reaped.len(),
        slowest?
    );
    assert!(last < Duration::from_secs(10), "{last:?}");
    Ok(())
}

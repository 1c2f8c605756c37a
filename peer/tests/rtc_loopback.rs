//! Two connections of one process over real sockets: what is sent arrives, and what must be refused is.

use crate::rtc_common::{PATIENCE, closed_reason, connect, connect_with, loopback, opened, start};
use bytes::Bytes;
use mesh_peer::rtc::{ConnectionEvent, RtcConfig};
use mesh_peer::transport::{FrameReceiver, FrameSender, Path, Transport};

const TOTAL: usize = 64 << 20;
const FRAME: usize = 64 << 10;

/// Sends `TOTAL` bytes that differ by `seed`; gives their hash.
async fn send_all(sender: &FrameSender, seed: u8) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for index in 0..TOTAL / FRAME {
        let mut frame = vec![seed; FRAME];
        frame[..8].copy_from_slice(&(index as u64).to_le_bytes());
        hasher.update(&frame);
        sender.send(Bytes::from(frame)).await.expect("the link lives");
    }
    hasher.finalize()
}

async fn receive_all(receiver: &mut FrameReceiver) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut received = 0;
    while received < TOTAL {
        let frame = receiver.recv().await.expect("the link lives");
        received += frame.len();
        hasher.update(&frame);
    }
    assert_eq!(received, TOTAL);
    hasher.finalize()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carries_64_mib_both_ways_unchanged() {
    let (a, b) = connect(loopback()).await;
    assert_eq!(a.transport.remote_fingerprint(), b.connection.fingerprint());
    assert_eq!(b.transport.remote_fingerprint(), a.connection.fingerprint());
    let link = a.transport.link();
    let ((a_tx, mut a_rx), (b_tx, mut b_rx)) = (a.transport.split(), b.transport.split());
    let (a_sent, b_sent, a_received, b_received) = tokio::join!(
        send_all(&a_tx, 1),
        send_all(&b_tx, 2),
        receive_all(&mut a_rx),
        receive_all(&mut b_rx)
    );
    assert_eq!(a_sent, b_received);
    assert_eq!(b_sent, a_received);
    assert_eq!(link.borrow().path, Path::Direct);
}

#[tokio::test]
async fn a_wrong_fingerprint_in_the_description_does_not_connect() {
    let forge = |sdp: String| {
        let real = mesh_peer::rtc::fingerprint_of_sdp(&sdp).expect("it has one");
        let other = if real.starts_with("00") { "11" } else { "00" };
        sdp.replace(&real, &format!("{other}{}", &real[2..]))
    };
    let (mut a, mut b) = connect_with(loopback(), "file", "file", forge).await;
    assert!(
        closed_reason(&mut a.events).await.is_some(),
        "the offerer must not open"
    );
    assert!(
        closed_reason(&mut b.events).await.is_some(),
        "the answerer must not open"
    );
}

#[tokio::test]
async fn a_channel_with_another_name_is_refused() {
    let (_a, mut b) = connect_with(loopback(), "terminal", "file", |sdp| sdp).await;
    let reason = closed_reason(&mut b.events)
        .await
        .expect("the answerer must not open");
    assert!(reason.contains("terminal") && reason.contains("file"), "{reason}");
}

#[tokio::test]
async fn everything_queued_is_delivered_before_the_close() {
    let (mut a, b) = connect(loopback()).await;
    let (tx, _rx) = a.transport.split();
    let link = b.transport.link();
    let (_b_tx, mut b_rx) = b.transport.split();
    let sender = tokio::spawn(async move {
        for index in 0..20_000_u32 {
            tx.send(Bytes::from(vec![
                (index % 251) as u8;
                1 + (index as usize * 37) % 3000
            ]))
            .await
            .unwrap();
        }
    });
    // Nothing is read until the sender is done with what fits, so that the end meets full queues.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let mut count = 0_u32;
    while let Some(frame) = b_rx.recv().await {
        assert_eq!(frame.len(), 1 + (count as usize * 37) % 3000);
        assert_eq!(frame[0], (count % 251) as u8);
        count += 1;
    }
    sender.await.unwrap();
    assert_eq!(count, 20_000);
    assert!(link.borrow().closed.is_some());
    let reason = closed_reason(&mut a.events).await;
    assert!(reason.is_some_and(|reason| reason.contains("delivered")));
}

#[tokio::test]
async fn a_reader_that_stops_makes_the_writer_wait() {
    let (a, b) = connect(loopback()).await;
    let (tx, _rx) = a.transport.split();
    let (_b_tx, mut b_rx) = b.transport.split();
    let mut accepted = 0_usize;
    let frame = Bytes::from(vec![7_u8; FRAME]);
    while tokio::time::timeout(std::time::Duration::from_secs(1), tx.send(frame.clone()))
        .await
        .is_ok()
    {
        accepted += FRAME;
        assert!(accepted < 64 << 20, "the writer must wait");
    }
    let mut received = 0;
    drop(tx);
    while let Some(frame) = b_rx.recv().await {
        received += frame.len();
    }
    assert_eq!(received, accepted);
}

#[tokio::test]
async fn as_much_as_was_asked_for_waits_for_a_slow_reader() {
    const UNREAD: usize = 16 << 20;
    // Of large ones the stack keeps as much beside its window.
    const SMALL: usize = 4 << 10;
    let config = RtcConfig {
        unread: UNREAD,
        ..loopback()
    };
    let (a, b) = connect(config).await;
    let mut link = a.transport.link();
    let (tx, _rx) = a.transport.split();
    let (_b_tx, mut b_rx) = b.transport.split();
    let frame = Bytes::from(vec![7_u8; SMALL]);
    // Nothing is read meanwhile: all of it arrives, since the window never closes.
    let arrival = async {
        for _ in 0..UNREAD / SMALL {
            tx.send(frame.clone()).await.expect("the link lives");
        }
        while tx.capacity() < tx.max_capacity() || link.borrow_and_update().in_flight > 0 {
            link.changed().await.expect("the link lives");
        }
    };
    tokio::time::timeout(PATIENCE, arrival)
        .await
        .expect("it waits for the reader");
    for _ in 0..UNREAD / SMALL {
        assert_eq!(b_rx.recv().await.expect("the link lives"), frame);
    }
}

#[tokio::test]
async fn a_closed_peer_ends_the_other_side_with_a_reason() {
    let (a, b) = connect(loopback()).await;
    let mut link = b.transport.link();
    let (_tx, mut rx) = b.transport.split();
    a.connection.close().await;
    assert!(rx.recv().await.is_none());
    let closed = link
        .wait_for(|stats| stats.closed.is_some())
        .await
        .unwrap()
        .closed
        .clone();
    assert!(closed.unwrap().contains("other device"));
}

#[tokio::test]
async fn a_dropped_handle_ends_the_connection() {
    let (a, b) = connect(loopback()).await;
    let (_tx, mut rx) = b.transport.split();
    drop(a);
    assert!(rx.recv().await.is_none());
}

#[tokio::test]
async fn works_without_loopback_offered() {
    // Where no other interface is up, loopback is offered by itself: this must pass in a network namespace too.
    let (a, b) = connect(RtcConfig::default()).await;
    let (tx, _rx) = a.transport.split();
    let (_tx, mut rx) = b.transport.split();
    tx.send(Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(rx.recv().await.unwrap(), "hello");
}

#[tokio::test]
async fn connects_over_ipv6_loopback() {
    let (mut a, mut b) = (start(loopback(), "file"), start(loopback(), "file"));
    let only_v6 = |sdp: String| {
        let lines = sdp
            .lines()
            .filter(|line| !line.starts_with("a=candidate:") || line.contains(" ::1 "));
        lines.fold(String::new(), |all, line| all + line + "\r\n")
    };
    let offer = only_v6(a.connection.offer(None).await.unwrap());
    assert!(offer.contains(" ::1 "), "this machine has no IPv6 loopback");
    let answer = only_v6(b.connection.accept_offer(&offer).await.unwrap());
    a.connection.accept_answer(&answer).await.unwrap();
    let (a_open, _b_open) = (opened(&mut a.events).await, opened(&mut b.events).await);
    assert_eq!(a_open.link().borrow().path, Path::Direct);
}

#[tokio::test]
async fn candidates_may_come_before_the_description() {
    let (mut a, mut b) = (start(loopback(), "file"), start(loopback(), "file"));
    let offer = a.connection.offer(None).await.unwrap();
    let (without, candidates): (Vec<&str>, Vec<&str>) =
        offer.lines().partition(|line| !line.starts_with("a=candidate:"));
    for line in &candidates {
        let candidate = mesh_peer::rtc::IceCandidate {
            candidate: line["a=".len()..].to_owned(),
            ..Default::default()
        };
        b.connection.add_candidate(candidate).await.unwrap();
    }
    let offer = without.join("\r\n") + "\r\n";
    let answer = b.connection.accept_offer(&offer).await.unwrap();
    a.connection.accept_answer(&answer).await.unwrap();
    opened(&mut a.events).await;
    opened(&mut b.events).await;
}

#[tokio::test]
async fn a_frame_too_large_ends_the_link_with_a_reason() {
    let (mut a, _b) = connect(loopback()).await;
    let (tx, _rx) = a.transport.split();
    tx.send(Bytes::from(vec![0; mesh_peer::rtc::MAX_SEND_BYTES + 1]))
        .await
        .unwrap();
    let reason = closed_reason(&mut a.events).await.unwrap();
    assert!(reason.contains("65601"), "{reason}");
}

#[tokio::test]
async fn a_second_offer_is_refused() {
    let a = start(loopback(), "file");
    a.connection.offer(None).await.unwrap();
    assert!(a.connection.offer(None).await.is_err());
    assert!(a.connection.accept_offer("v=0\r\n").await.is_err());
}

#[tokio::test]
async fn nonsense_is_an_error_and_no_more() {
    let a = start(loopback(), "file");
    for nonsense in ["", "v=0\r\n", "\u{0}", "a=fingerprint:sha-256 x"] {
        assert!(a.connection.accept_offer(nonsense).await.is_err(), "{nonsense:?}");
    }
    let candidate = mesh_peer::rtc::IceCandidate {
        candidate: "candidate:x".into(),
        ..Default::default()
    };
    assert!(a.connection.add_candidate(candidate).await.is_ok());
}

#[tokio::test]
async fn candidates_end() {
    let mut a = start(loopback(), "file");
    a.connection.offer(None).await.unwrap();
    let mut events = 0;
    loop {
        events += 1;
        assert!(events < 50);
        if let ConnectionEvent::EndOfCandidates = a.events.recv().await.unwrap() {
            break;
        }
    }
}

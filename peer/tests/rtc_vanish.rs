//! A path that dies: the link goes on over another one, or ends with a reason within the time ICE gives it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::rtc_common::forwarder::joined;
use crate::rtc_common::{End, PATIENCE};
use bytes::Bytes;
use mesh_peer::rtc::{Connection, ConnectionEvent, RtcError};
use mesh_peer::transport::Transport;
use tokio::sync::mpsc;

#[tokio::test]
async fn a_peer_that_vanishes_ends_the_link_with_a_reason() {
    let (a, b, cut) = joined().await;
    let mut link = a.transport.link();
    let (tx, mut rx) = a.transport.split();
    let (_b_tx, mut b_rx) = b.transport.split();
    tx.send(Bytes::from_static(b"here")).await.unwrap();
    assert_eq!(b_rx.recv().await.unwrap(), "here");

    cut.store(true, Ordering::Relaxed);
    let start = Instant::now();
    let closed = tokio::time::timeout(
        Duration::from_secs(25),
        link.wait_for(|stats| stats.closed.is_some()),
    );
    let reason = closed
        .await
        .expect("the loss is noticed")
        .unwrap()
        .closed
        .clone()
        .unwrap();
    assert!(reason.contains("not answered"), "{reason}");
    assert!(
        start.elapsed() > Duration::from_secs(8),
        "a short disturbance must not end a link"
    );
    assert!(rx.recv().await.is_none());
}

/// Hands the candidates of one end to the other, until it is heard again.
async fn restored(events: &mut mpsc::Receiver<ConnectionEvent>, other: &Connection) {
    let until_restored = async {
        loop {
            match events.recv().await.expect("it lives") {
                ConnectionEvent::Candidate(candidate) => {
                    let _ = other.add_candidate(candidate).await;
                }
                ConnectionEvent::Restored => return,
                ConnectionEvent::Closed(why) => panic!("closed: {why}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, until_restored)
        .await
        .expect("another path in time");
}

/// Takes both over to another path.
async fn take_over(a: &mut End, b: &mut End) {
    let offer = a.connection.restart(Vec::new()).await.unwrap();
    let answer = b.connection.accept_restart(&offer, Vec::new()).await.unwrap();
    a.connection.accept_answer(&answer).await.unwrap();
    tokio::join!(
        restored(&mut a.events, &b.connection),
        restored(&mut b.events, &a.connection)
    );
}

#[tokio::test]
async fn a_link_goes_on_over_another_path_and_loses_nothing() {
    let (a, b, cut) = joined().await;
    let frame = |n: u32| Bytes::from(n.to_be_bytes().repeat(1_000));
    let ((a_tx, mut a_rx), (b_tx, mut b_rx)) = (a.transport.split(), b.transport.split());
    let (mut a, mut b) = (
        End {
            connection: a.connection,
            events: a.events,
        },
        End {
            connection: b.connection,
            events: b.events,
        },
    );
    a_tx.send(frame(0)).await.unwrap();
    assert_eq!(b_rx.recv().await.unwrap(), frame(0));
    // More than once: each path dies with frames on it, both ways.
    for round in 0..3 {
        cut.store(true, Ordering::Relaxed);
        for n in 1..=8 {
            a_tx.send(frame(round * 8 + n)).await.unwrap();
            b_tx.send(frame(round * 8 + n)).await.unwrap();
        }
        take_over(&mut a, &mut b).await;
        for n in 1..=8 {
            assert_eq!(b_rx.recv().await.unwrap(), frame(round * 8 + n));
            assert_eq!(a_rx.recv().await.unwrap(), frame(round * 8 + n));
        }
    }
}

#[tokio::test]
async fn only_the_same_end_gets_another_path_and_only_by_a_new_description() {
    let (a, b, _cut) = joined().await;
    let offer = a.connection.restart(Vec::new()).await.unwrap();
    let fingerprint = a.connection.fingerprint();
    let another = offer.replace(fingerprint, &["AB"; 32].join(":"));
    let refused = b.connection.accept_restart(&another, Vec::new()).await;
    assert!(matches!(refused, Err(RtcError::Invalid(_))), "{refused:?}");
    let wrong_way = b.connection.restart(Vec::new()).await;
    assert!(matches!(wrong_way, Err(RtcError::State(_))), "{wrong_way:?}");

    let answer = b.connection.accept_restart(&offer, Vec::new()).await.unwrap();
    let again = b.connection.accept_restart(&offer, Vec::new()).await;
    assert!(matches!(again, Err(RtcError::Invalid(_))), "{again:?}");
    let another = answer.replace(b.connection.fingerprint(), &["AB"; 32].join(":"));
    let refused = a.connection.accept_answer(&another).await;
    assert!(matches!(refused, Err(RtcError::Invalid(_))), "{refused:?}");
    a.connection.accept_answer(&answer).await.unwrap();
}

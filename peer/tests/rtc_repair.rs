//! Losses on a real path between two connections: repaired where both ends announce it, left to SCTP where one does not.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::rtc_common::{End, OpenEnd, loopback, opened, start};
use bytes::Bytes;
use mesh_peer::rtc::{ConnectionEvent, MAX_RECORD_BYTES, RtcError};
use mesh_peer::transport::Transport;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

const FRAMES: u64 = 256;
const FRAME: usize = 32 << 10;

/// What went over the path, by the first byte of a datagram.
#[derive(Default)]
struct Counts {
    numbered: AtomicU64,
    /// Of them, parts of records that are longer than a datagram.
    parts: AtomicU64,
    reports: AtomicU64,
    lost: AtomicU64,
}

/// Two sockets between two ends on 127.0.0.1; `lose` is asked for each datagram.
struct Between {
    for_a: SocketAddr,
    for_b: SocketAddr,
    a: Arc<OnceLock<SocketAddr>>,
    b: Arc<OnceLock<SocketAddr>>,
    counts: Arc<Counts>,
    /// Ends with this value.
    _tasks: JoinSet<()>,
}

impl Between {
    /// Loses every `nth` datagram that is not ICE's; 0 loses none.
    async fn start(nth: u64) -> Self {
        let left = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let right = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let (a, b) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        for (from, to, destination) in [
            (left.clone(), right.clone(), b.clone()),
            (right.clone(), left.clone(), a.clone()),
        ] {
            let counts = counts.clone();
            tasks.spawn(async move {
                let mut buffer = [0; 2048];
                let mut count = 0;
                while let Ok((length, _)) = from.recv_from(&mut buffer).await {
                    let datagram = &buffer[..length];
                    let count_in = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
                    match datagram[0] {
                        0xC0 | 0xC2..=0xC4 => count_in(&counts.numbered),
                        0xC1 => count_in(&counts.reports),
                        _ => 0,
                    };
                    if (0xC2..=0xC4).contains(&datagram[0]) {
                        count_in(&counts.parts);
                    }
                    if datagram[0] >= 4 {
                        count += 1;
                        if nth > 0 && count % nth == 0 {
                            counts.lost.fetch_add(1, Ordering::Relaxed);
                            continue;
                        }
                    }
                    if let Some(destination) = destination.get() {
                        let _ = to.send_to(datagram, destination).await;
                    }
                }
            });
        }
        Self {
            for_a: left.local_addr().unwrap(),
            for_b: right.local_addr().unwrap(),
            a,
            b,
            counts,
            _tasks: tasks,
        }
    }

    /// A description with the one candidate that leads through here.
    fn through(&self, sdp: &str, of_a: bool) -> String {
        let (known, shown) = if of_a {
            (&self.a, self.for_b)
        } else {
            (&self.b, self.for_a)
        };
        let mut changed = String::new();
        for line in sdp.lines() {
            if line.starts_with("a=candidate:") {
                let mut fields: Vec<&str> = line.split(' ').collect();
                if fields[4] != "127.0.0.1" {
                    continue;
                }
                let port = fields[5].parse().unwrap();
                let _ = known.set(SocketAddr::from(([127, 0, 0, 1], port)));
                let port = shown.port().to_string();
                fields[5] = &port;
                changed.push_str(&fields.join(" "));
            } else {
                changed.push_str(line);
            }
            changed.push_str("\r\n");
        }
        changed
    }
}

/// Two open ends, joined through `path`; the offer goes through `change`, and is for an end that puts together `max_record`.
async fn connect_through(
    path: &Between,
    max_record: Option<usize>,
    change: impl Fn(String) -> String,
) -> (OpenEnd, OpenEnd) {
    let (mut a, mut b) = (start(loopback(), "file"), start(loopback(), "file"));
    let offer = change(path.through(&a.connection.offer(max_record).await.unwrap(), true));
    let answer = path.through(&b.connection.accept_offer(&offer).await.unwrap(), false);
    a.connection.accept_answer(&answer).await.unwrap();
    let (a_open, b_open) = tokio::join!(opened(&mut a.events), opened(&mut b.events));
    let end = |end: End, transport| OpenEnd {
        connection: end.connection,
        events: end.events,
        transport,
    };
    (end(a, a_open), end(b, b_open))
}

/// Sends from `a` to `b` until `b` has everything, then closes in order.
async fn carry(a: OpenEnd, mut b: OpenEnd) {
    let ((sender, _a_receiver), (_b_sender, mut receiver)) = (a.transport.split(), b.transport.split());
    let sending = async move {
        for index in 0..FRAMES {
            let mut frame = vec![0x5a; FRAME];
            frame[..8].copy_from_slice(&index.to_le_bytes());
            sender.send(Bytes::from(frame)).await.unwrap();
        }
    };
    let receiving = async {
        for index in 0..FRAMES {
            let frame = receiver.recv().await.expect("the link lives");
            assert_eq!(frame.len(), FRAME);
            assert_eq!(frame[..8], index.to_le_bytes());
        }
    };
    tokio::join!(sending, receiving);
    while let Some(event) = b.events.recv().await {
        if matches!(event, ConnectionEvent::Closed(_)) {
            break;
        }
    }
}

/// Of the datagrams that carry the content, a twentieth is lost; gives those that were sent, and the parts among them.
async fn carry_with_losses(max_record: Option<usize>) -> (u64, u64) {
    let path = Between::start(20).await;
    let (a, b) = connect_through(&path, max_record, |sdp| sdp).await;
    carry(a, b).await;
    let lost = path.counts.lost.load(Ordering::Relaxed);
    let numbered = path.counts.numbered.load(Ordering::Relaxed);
    let least = FRAMES * FRAME as u64 / 1160;
    assert!(lost > least / 30, "{lost} of {numbered} were lost");
    assert!(
        numbered < least * 5 / 4,
        "{numbered} datagrams for the content of {least}"
    );
    assert!(path.counts.reports.load(Ordering::Relaxed) > 0);
    (numbered, path.counts.parts.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_twentieth_datagram_lost_costs_little_and_everything_arrives() {
    let (_, parts) = carry_with_losses(None).await;
    assert_eq!(parts, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_does_where_records_are_longer_than_datagrams() {
    let (numbered, parts) = carry_with_losses(Some(MAX_RECORD_BYTES)).await;
    assert!(parts > numbered * 9 / 10, "{parts} of {numbered}");
}

fn without_repair(sdp: &str) -> String {
    sdp.lines()
        .filter(|line| !line.starts_with("a=x-mesh-repair"))
        .map(|line| format!("{line}\r\n"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_numbered_for_an_end_that_does_not_repair() {
    let path = Between::start(0).await;
    let (a, b) = connect_through(&path, None, |sdp| without_repair(&sdp)).await;
    carry(a, b).await;
    assert_eq!(path.counts.numbered.load(Ordering::Relaxed), 0);
    assert_eq!(path.counts.reports.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_end_that_promised_to_put_records_together_and_does_not_repair_is_refused() {
    let (a, b) = (start(loopback(), "file"), start(loopback(), "file"));
    let offer = a.connection.offer(Some(MAX_RECORD_BYTES)).await.unwrap();
    let answer = b.connection.accept_offer(&offer).await.unwrap();
    let refused = a.connection.accept_answer(&without_repair(&answer)).await;
    assert!(matches!(refused, Err(RtcError::Invalid(_))), "{refused:?}");
}

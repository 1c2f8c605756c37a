//! Joins two connections of one process, carrying descriptions and candidates between them as signalling would.

#![allow(clippy::unwrap_used, dead_code, reason = "mesh-testkit uses a part of it")]

pub(crate) mod forwarder;

use std::time::Duration;

use mesh_peer::rtc::{Connection, ConnectionEvent, RtcConfig, RtcTransport};
use tokio::sync::mpsc;

/// More than any connection here needs; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) events: mpsc::Receiver<ConnectionEvent>,
}

pub(crate) struct OpenEnd {
    pub(crate) connection: Connection,
    pub(crate) events: mpsc::Receiver<ConnectionEvent>,
    pub(crate) transport: RtcTransport,
}

pub(crate) fn loopback() -> RtcConfig {
    RtcConfig {
        loopback: true,
        ..RtcConfig::default()
    }
}

pub(crate) fn start(config: RtcConfig, feature: &str) -> End {
    let (connection, events) = Connection::start(config, feature).expect("sockets can be opened");
    End { connection, events }
}

/// Two ends with their descriptions exchanged, the offer and the answer going through `change`.
pub(crate) async fn connect_with(
    config: RtcConfig,
    offered: &str,
    expected: &str,
    change: impl Fn(String) -> String,
) -> (End, End) {
    let (a, b) = (start(config.clone(), offered), start(config, expected));
    let offer = change(a.connection.offer(None).await.expect("an offer"));
    let answer = change(b.connection.accept_offer(&offer).await.expect("an answer"));
    a.connection
        .accept_answer(&answer)
        .await
        .expect("the answer is taken");
    (a, b)
}

/// Two ends with an open channel.
pub(crate) async fn connect(config: RtcConfig) -> (OpenEnd, OpenEnd) {
    let (a, b) = connect_with(config, "file", "file", |sdp| sdp).await;
    open_both(a, b).await
}

/// Trickles candidates until both ends are open.
pub(crate) async fn open_both(mut a: End, mut b: End) -> (OpenEnd, OpenEnd) {
    let (mut a_open, mut b_open) = (None, None);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while a_open.is_none() || b_open.is_none() {
        let (from_a, event) = tokio::select! {
            event = a.events.recv() => (true, event),
            event = b.events.recv() => (false, event),
            () = tokio::time::sleep_until(deadline) => panic!("not open in time"),
        };
        match event.expect("the connection lives") {
            ConnectionEvent::Candidate(candidate) => {
                let other = if from_a { &b.connection } else { &a.connection };
                let _ = other.add_candidate(candidate).await;
            }
            ConnectionEvent::EndOfCandidates | ConnectionEvent::Disturbed | ConnectionEvent::Restored => {}
            ConnectionEvent::Open(transport) if from_a => a_open = Some(transport),
            ConnectionEvent::Open(transport) => b_open = Some(transport),
            ConnectionEvent::Closed(reason) => panic!("closed instead of opened: {reason}"),
        }
    }
    let end = |end: End, transport: Option<RtcTransport>| OpenEnd {
        connection: end.connection,
        events: end.events,
        transport: transport.expect("open"),
    };
    (end(a, a_open), end(b, b_open))
}

pub(crate) async fn opened(events: &mut mpsc::Receiver<ConnectionEvent>) -> RtcTransport {
    loop {
        match tokio::time::timeout(PATIENCE, events.recv())
            .await
            .expect("in time")
            .expect("alive")
        {
            ConnectionEvent::Open(transport) => return transport,
            ConnectionEvent::Closed(reason) => panic!("closed instead of opened: {reason}"),
            _ => {}
        }
    }
}

/// The reason of the close; `None` when it opened (again) first.
pub(crate) async fn closed_reason(events: &mut mpsc::Receiver<ConnectionEvent>) -> Option<String> {
    loop {
        match tokio::time::timeout(PATIENCE, events.recv())
            .await
            .expect("in time")
            .expect("alive")
        {
            ConnectionEvent::Open(_) => return None,
            ConnectionEvent::Closed(reason) => return Some(reason),
            _ => {}
        }
    }
}

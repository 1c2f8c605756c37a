//! The first frame each way, and the routes of sessions: every way in that must stay shut.

use std::time::Duration;

use bytes::Bytes;
use mesh_peer::session::{
    Binding, HelloError, HelloExchange, PEER_LEFT_GRACE, SessionEnd, SessionRouter, exchange_hello,
    sdp_fingerprint,
};
use mesh_peer::signal::{EndReason, Keys, SignalEvent};
use mesh_peer::transport::{MemoryTransport, Transport as _, memory_pair};
use mesh_protocol::capability::{
    AUDIENCE, Capability, CapabilityError, CapabilitySigner, Claims, Confirmation, Feature, ISSUER, Jwks,
};
use mesh_protocol::channel::{Bye, Frame, Hello, TermOut};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::{PeerId, RoomId, SessionId};
use mesh_protocol::signal::{Nothing, PeerLeft, Revoked, ServerMessage, SessionAnswer, TrickledCandidate};
use tokio::time::{advance, timeout};

const NOW: u64 = 1_700_000_000;

fn now() -> u64 {
    NOW
}

fn fingerprint(byte: &str) -> String {
    vec![byte; 32].join(":")
}

fn signer() -> CapabilitySigner {
    CapabilitySigner::from_seed("k1", &[7; 32]).unwrap()
}

fn keys() -> Keys {
    Keys::fixed(&Jwks {
        keys: vec![signer().jwk().clone()],
    })
}

/// As the host of a terminal sees it: `host` is itself, `viewer` the other end.
fn binding() -> Binding {
    Binding {
        room_id: "room".parse().unwrap(),
        session_id: "session".parse().unwrap(),
        me: "host".parse().unwrap(),
        remote: "viewer".parse().unwrap(),
        feature: Feature::Terminal,
    }
}

/// What the viewer has to show.
fn claims() -> Claims {
    Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: "viewer".parse().unwrap(),
        room_id: "room".parse().unwrap(),
        caps: vec![Capability::TerminalView],
        target_peer_id: Some("host".parse().unwrap()),
        max_size: None,
        session_id: Some("session".parse().unwrap()),
        jti: "j1".parse().unwrap(),
        iat: NOW - 10,
        exp: NOW + 110,
        cnf: Some(Confirmation {
            fp: sdp_fingerprint(&fingerprint("AB")),
        }),
    }
}

fn hello_with(token: &str) -> Bytes {
    let cap_token = token.to_owned();
    Frame::Hello(Hello {
        protocol: 1,
        session_id: "session".parse().unwrap(),
        cap_token,
    })
    .encode()
}

/// The host's judgement of what the viewer sends, and what the viewer gets to see of it.
async fn judged(frames: Vec<Bytes>) -> (Result<Claims, HelloError>, Vec<Frame>) {
    let (host, viewer) = memory_pair(&fingerprint("CD"), &fingerprint("AB"));
    let (viewer_tx, mut viewer_rx) = viewer.split();
    for frame in frames {
        viewer_tx.send(frame).await.unwrap();
    }
    let judged = host_judges(host).await;
    let mut seen = Vec::new();
    while let Some(frame) = viewer_rx.recv().await {
        seen.push(Frame::decode(&frame).unwrap());
    }
    (judged, seen)
}

async fn host_judges(host: MemoryTransport) -> Result<Claims, HelloError> {
    let exchange = HelloExchange::new(binding(), "own-token".into(), host.remote_fingerprint());
    let (tx, mut rx) = host.split();
    exchange_hello(&exchange, &tx, &mut rx, &keys(), now).await
}

fn bye_of(frames: &[Frame]) -> Option<ChannelCode> {
    match frames {
        [Frame::Hello(_), Frame::Bye(bye)] => Some(bye.code),
        _ => None,
    }
}

#[tokio::test]
async fn a_good_hello_opens_and_gives_the_other_ends_claims() {
    let token = signer().sign(&claims()).unwrap();
    let (judged, seen) = judged(vec![hello_with(&token)]).await;
    assert_eq!(judged.unwrap(), claims());
    assert!(
        matches!(&seen[..], [Frame::Hello(hello)] if hello.cap_token == "own-token"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_token_for_anything_else_is_refused_and_nothing_else_moves() {
    type Change = fn(&mut Claims);
    let cases: [(&str, Change, CapabilityError); 12] = [
        (
            "session",
            |c| c.session_id = Some("other".parse().unwrap()),
            CapabilityError::Other("session"),
        ),
        (
            "target",
            |c| c.target_peer_id = Some("other".parse().unwrap()),
            CapabilityError::Other("target"),
        ),
        (
            "room",
            |c| c.room_id = "other".parse().unwrap(),
            CapabilityError::Other("room"),
        ),
        (
            "sender",
            |c| c.sub = "other".parse().unwrap(),
            CapabilityError::Other("sender"),
        ),
        (
            "fingerprint",
            |c| {
                c.cnf = Some(Confirmation {
                    fp: sdp_fingerprint(&fingerprint("CD")),
                })
            },
            CapabilityError::Other("fingerprint"),
        ),
        (
            "no session",
            |c| c.session_id = None,
            CapabilityError::Unbound("session"),
        ),
        (
            "no target",
            |c| c.target_peer_id = None,
            CapabilityError::Unbound("target"),
        ),
        (
            "no fingerprint",
            |c| c.cnf = None,
            CapabilityError::Unbound("fingerprint"),
        ),
        (
            "right",
            |c| c.caps = vec![Capability::Call],
            CapabilityError::Missing(Capability::TerminalView),
        ),
        ("expired", |c| c.exp = NOW - 6, CapabilityError::Expired),
        ("not yet", |c| c.iat = NOW + 6, CapabilityError::NotYet),
        (
            "audience",
            |c| c.aud = "mesh:session".into(),
            CapabilityError::Invalid,
        ),
    ];
    for (name, change, expected) in cases {
        let mut wrong = claims();
        change(&mut wrong);
        let token = signer().sign(&wrong).unwrap();
        let (judged, seen) = judged(vec![hello_with(&token)]).await;
        assert_eq!(judged, Err(HelloError::Refused(expected)), "{name}");
        assert_eq!(bye_of(&seen), Some(ChannelCode::CapRefused), "{name}: {seen:?}");
    }
}

#[tokio::test]
async fn an_unsigned_or_foreign_token_is_refused() {
    let good = signer().sign(&claims()).unwrap();
    let body = good.split('.').nth(1).unwrap();
    let foreign = CapabilitySigner::from_seed("k1", &[8; 32])
        .unwrap()
        .sign(&claims())
        .unwrap();
    let unknown = CapabilitySigner::from_seed("k2", &[7; 32])
        .unwrap()
        .sign(&claims())
        .unwrap();
    // {"typ":"mesh-cap+jwt","alg":"none","kid":"k1"}
    let none = format!("eyJ0eXAiOiJtZXNoLWNhcCtqd3QiLCJhbGciOiJub25lIiwia2lkIjoiazEifQ.{body}.");
    for token in [
        foreign,
        unknown,
        none,
        String::new(),
        good[..good.len() - 4].to_owned(),
    ] {
        let (judged, seen) = judged(vec![hello_with(&token)]).await;
        assert_eq!(
            judged,
            Err(HelloError::Refused(CapabilityError::Invalid)),
            "{token}"
        );
        assert_eq!(bye_of(&seen), Some(ChannelCode::CapRefused));
    }
}

#[tokio::test]
async fn a_hello_of_another_session_is_refused_before_its_token_is_looked_at() {
    let session_id: SessionId = "other".parse().unwrap();
    let cap_token = signer().sign(&claims()).unwrap();
    let hello = Frame::Hello(Hello {
        protocol: 1,
        session_id,
        cap_token,
    })
    .encode();
    let (judged, seen) = judged(vec![hello]).await;
    assert_eq!(
        judged,
        Err(HelloError::Refused(CapabilityError::Other("session")))
    );
    assert_eq!(bye_of(&seen), Some(ChannelCode::CapRefused));
}

#[tokio::test]
async fn a_frame_before_the_hello_ends_it_however_good_the_hello_is() {
    let token = signer().sign(&claims()).unwrap();
    let early = Frame::TermOut(TermOut {
        seq: 0,
        bytes: Bytes::from_static(b"x"),
    })
    .encode();
    for first in [
        early,
        Bytes::new(),
        Bytes::from_static(b"\xffnonsense"),
        Bytes::from_static(b"\x01{}"),
    ] {
        let (judged, seen) = judged(vec![first.clone(), hello_with(&token)]).await;
        assert!(matches!(judged, Err(HelloError::NotHello(_))), "{first:?}");
        assert_eq!(bye_of(&seen), Some(ChannelCode::Protocol), "{first:?}");
    }
}

#[tokio::test]
async fn another_version_and_a_farewell_are_told_apart() {
    let hello = Frame::Hello(Hello {
        protocol: 2,
        session_id: binding().session_id,
        cap_token: "t".into(),
    });
    let (judged_version, seen) = judged(vec![hello.encode()]).await;
    assert_eq!(judged_version, Err(HelloError::Version(2)));
    assert_eq!(bye_of(&seen), Some(ChannelCode::Protocol));

    let bye = Bye {
        code: ChannelCode::CapRefused,
        detail: "no".into(),
    };
    let (judged_bye, seen) = judged(vec![Frame::Bye(bye.clone()).encode()]).await;
    assert_eq!(judged_bye, Err(HelloError::Bye(bye)));
    assert!(
        matches!(&seen[..], [Frame::Hello(_)]),
        "a farewell is not answered: {seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_hello_within_ten_seconds_ends_it() {
    let (host, viewer) = memory_pair(&fingerprint("CD"), &fingerprint("AB"));
    let (_viewer_tx, mut viewer_rx) = viewer.split();
    let mut judging = tokio::spawn(host_judges(host));
    assert!(
        timeout(Duration::from_millis(9_900), &mut judging).await.is_err(),
        "not before its time"
    );
    let judged = timeout(Duration::from_millis(200), judging)
        .await
        .expect("not after its time")
        .unwrap();
    assert_eq!(judged, Err(HelloError::Timeout));
    assert!(matches!(
        Frame::decode(&viewer_rx.recv().await.unwrap()),
        Ok(Frame::Hello(_))
    ));
    let last = Frame::decode(&viewer_rx.recv().await.unwrap()).unwrap();
    assert!(matches!(
        last,
        Frame::Bye(Bye {
            code: ChannelCode::HelloTimeout,
            ..
        })
    ));
    assert!(viewer_rx.recv().await.is_none());
}

#[tokio::test]
async fn an_end_that_closes_at_once_is_no_hello() {
    let (host, viewer) = memory_pair(&fingerprint("CD"), &fingerprint("AB"));
    drop(viewer);
    assert_eq!(host_judges(host).await, Err(HelloError::Closed));
}

// ---- routes ----

fn peer(name: &str) -> PeerId {
    name.parse().unwrap()
}

fn ids() -> (SessionId, RoomId) {
    ("session".parse().unwrap(), "room".parse().unwrap())
}

fn answer(session: &str) -> SessionAnswer {
    SessionAnswer {
        room_id: ids().1,
        target: None,
        session_id: session.parse().unwrap(),
        reason: None,
    }
}

fn from(name: &str, message: ServerMessage) -> SignalEvent {
    SignalEvent::Message {
        from: Some(peer(name)),
        message,
    }
}

fn server(message: ServerMessage) -> SignalEvent {
    SignalEvent::Message { from: None, message }
}

fn left(name: &str) -> SignalEvent {
    let (room_id, user_id) = (ids().1, "user".parse().unwrap());
    server(ServerMessage::RoomLeft(PeerLeft {
        room_id,
        peer_id: peer(name),
        user_id,
    }))
}

fn revoked() -> ServerMessage {
    ServerMessage::CapRevoked(Revoked {
        session_id: ids().0,
        jti: None,
        reason: "removed".into(),
    })
}

fn candidate() -> ServerMessage {
    ServerMessage::RtcIce(TrickledCandidate {
        room_id: ids().1,
        target: peer("host"),
        session_id: ids().0,
        feature: None,
        cap_token: None,
        candidate: None,
    })
}

#[tokio::test]
async fn a_message_reaches_its_session_only_from_its_peer_and_only_while_it_lives() {
    let router = SessionRouter::new();
    let (session, room) = ids();
    let mut route = router.register(&session, &room, Some(&peer("bob"))).unwrap();
    assert!(router.register(&session, &room, Some(&peer("bob"))).is_err());
    let message = || ServerMessage::ShareCompleted(answer("session"));

    assert!(router.dispatch(from("bob", message())).is_none());
    assert_eq!(route.next().await.unwrap(), (peer("bob"), message()));
    assert!(
        router.dispatch(from("eve", message())).is_some(),
        "another peer has no say in it"
    );
    assert!(
        router.dispatch(server(message())).is_some(),
        "nor has a message without a sender"
    );
    assert!(
        router
            .dispatch(from("bob", ServerMessage::ShareCompleted(answer("other"))))
            .is_some()
    );

    // The same session with another peer is another route.
    let _other = router.register(&session, &room, Some(&peer("carol"))).unwrap();
    assert_eq!(router.len(), 2);
    drop(route);
    assert!(router.dispatch(from("bob", message())).is_some());
    assert_eq!(router.len(), 1);
}

#[tokio::test]
async fn taking_back_ends_a_session_even_behind_a_full_inbox_and_only_the_server_can() {
    let router = SessionRouter::new();
    let (session, room) = ids();
    let mut route = router.register(&session, &room, Some(&peer("bob"))).unwrap();
    for _ in 0..500 {
        assert!(router.dispatch(from("bob", candidate())).is_none());
    }
    assert!(router.dispatch(from("bob", revoked())).is_none());
    assert_eq!(
        route.next().await.unwrap(),
        (peer("bob"), candidate()),
        "a peer cannot take back, and floods with candidates are cut"
    );
    assert!(router.dispatch(server(revoked())).is_none());
    assert_eq!(route.next().await, Err(SessionEnd::Revoked("removed".into())));
    assert_eq!(route.ended().await, SessionEnd::Revoked("removed".into()));
    drop(route);
    assert!(
        router.dispatch(server(revoked())).is_some(),
        "that of an unknown session is somebody else's"
    );
}

#[tokio::test]
async fn a_peer_that_floods_ends_its_own_session_only() {
    let router = SessionRouter::new();
    let (session, room) = ids();
    let flooded = router.register(&session, &room, Some(&peer("bob"))).unwrap();
    let quiet = router.register(&session, &room, Some(&peer("carol"))).unwrap();
    for _ in 0..=mesh_peer::session::INBOX {
        router.dispatch(from("bob", ServerMessage::ShareCompleted(answer("session"))));
    }
    assert_eq!(flooded.ended().await, SessionEnd::Overrun);
    assert!(timeout(Duration::from_millis(20), quiet.ended()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_leaves_has_five_seconds() {
    let router = SessionRouter::new();
    let (session, room) = ids();
    let route = router.register(&session, &room, Some(&peer("bob"))).unwrap();
    assert!(router.dispatch(left("carol")).is_some());
    assert!(
        timeout(PEER_LEFT_GRACE * 2, route.ended()).await.is_err(),
        "others may leave"
    );
    assert!(router.dispatch(left("bob")).is_some(), "the event is everyone's");
    assert!(
        timeout(PEER_LEFT_GRACE - Duration::from_millis(50), route.ended())
            .await
            .is_err()
    );
    assert_eq!(
        timeout(Duration::from_millis(100), route.ended()).await,
        Ok(SessionEnd::PeerLeft)
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_goes_takes_no_session_with_it() {
    let (session, room) = ids();
    let drain = || server(ServerMessage::Drain(Nothing {}));
    let cut = || SignalEvent::Disconnected {
        retry_in: Duration::ZERO,
    };
    let gone = || SignalEvent::Ended(EndReason::Stopped);
    let orders: [[SignalEvent; 2]; 4] = [
        [drain(), left("bob")],
        [left("bob"), drain()],
        [left("bob"), cut()],
        [left("bob"), gone()],
    ];
    for events in orders {
        let router = SessionRouter::new();
        let route = router.register(&session, &room, Some(&peer("bob"))).unwrap();
        for event in events {
            router.dispatch(event);
            advance(Duration::from_secs(1)).await;
        }
        assert!(timeout(PEER_LEFT_GRACE * 4, route.ended()).await.is_err());
    }
}

#[tokio::test]
async fn a_device_that_is_signed_out_keeps_no_session() {
    let router = SessionRouter::new();
    let (session, room) = ids();
    let route = router.register(&session, &room, Some(&peer("bob"))).unwrap();
    assert!(
        router
            .dispatch(SignalEvent::Ended(EndReason::SignInNeeded))
            .is_some()
    );
    assert!(matches!(route.ended().await, SessionEnd::Revoked(_)));
}

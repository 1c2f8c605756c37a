//! The first frame each way: every way in that must stay shut.

use std::time::Duration;

use bytes::Bytes;
use mesh_peer::session::{Binding, HelloError, HelloExchange, Turn, exchange_hello, sdp_fingerprint};
use mesh_peer::signal::Keys;
use mesh_peer::transport::{MemoryTransport, Transport as _, memory_pair};
use mesh_protocol::capability::{
    AUDIENCE, Capability, CapabilityError, CapabilitySigner, Claims, Confirmation, Feature, ISSUER, Jwks,
};
use mesh_protocol::channel::{Bye, Frame, Hello, TermOut};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::SessionId;
use tokio::time::timeout;

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
    end_judges(host, Turn::Theirs).await
}

async fn end_judges(host: MemoryTransport, turn: Turn) -> Result<Claims, HelloError> {
    let exchange = HelloExchange::new(binding(), "own-token".into(), host.remote_fingerprint());
    let (tx, mut rx) = host.split();
    exchange_hello(&exchange, turn, &tx, &mut rx, &keys(), now).await
}

fn bye_of(frames: &[Frame]) -> Option<ChannelCode> {
    match frames {
        [Frame::Bye(bye)] | [Frame::Hello(_), Frame::Bye(bye)] => Some(bye.code),
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
    assert!(seen.is_empty(), "a farewell is not answered: {seen:?}");
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

#[tokio::test(start_paused = true)]
async fn who_opened_the_channel_speaks_first_and_the_other_when_it_was_spoken_to() {
    let (host, viewer) = memory_pair(&fingerprint("CD"), &fingerprint("AB"));
    let (viewer_tx, mut viewer_rx) = viewer.split();
    let judging = tokio::spawn(host_judges(host));
    let unasked = timeout(Duration::from_secs(9), viewer_rx.recv()).await;
    assert!(unasked.is_err(), "said unasked: {unasked:?}");
    viewer_tx
        .send(hello_with(&signer().sign(&claims()).unwrap()))
        .await
        .unwrap();
    assert!(judging.await.unwrap().is_ok());
    assert!(matches!(
        Frame::decode(&viewer_rx.recv().await.unwrap()),
        Ok(Frame::Hello(_))
    ));

    let (host, viewer) = memory_pair(&fingerprint("CD"), &fingerprint("AB"));
    let (viewer_tx, mut viewer_rx) = viewer.split();
    let judging = tokio::spawn(end_judges(host, Turn::Ours));
    assert!(matches!(
        Frame::decode(&viewer_rx.recv().await.unwrap()),
        Ok(Frame::Hello(_))
    ));
    viewer_tx
        .send(hello_with(&signer().sign(&claims()).unwrap()))
        .await
        .unwrap();
    assert!(judging.await.unwrap().is_ok());
}

#[tokio::test]
async fn an_end_that_closes_at_once_is_no_hello() {
    let (host, viewer) = memory_pair(&fingerprint("CD"), &fingerprint("AB"));
    drop(viewer);
    assert_eq!(host_judges(host).await, Err(HelloError::Closed));
}

//! The routes of sessions: what comes over the socket reaches the session it belongs to, and no other.

use std::time::Duration;

use mesh_peer::session::{PEER_LEFT_GRACE, SessionEnd, SessionRouter};
use mesh_peer::signal::{EndReason, SignalEvent};
use mesh_protocol::ids::{PeerId, RoomId, SessionId};
use mesh_protocol::signal::{Nothing, PeerLeft, Revoked, ServerMessage, SessionAnswer, TrickledCandidate};
use tokio::time::{advance, timeout};

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
        max_record: None,
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

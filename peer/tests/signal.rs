//! The client of the control plane against one that misbehaves in every way a real one cannot be made to.

use crate::signal_fake as fake;

use std::time::Duration;

use fake::{Do, Fake, eventually};
use mesh_peer::signal::{
    ApiError, ControlPlane, EndReason, Keys, KeysError, SessionToken, Signal, SignalError, SignalEvent,
};
use mesh_protocol::capability::{AUDIENCE, Capability, Claims, ISSUER};
use mesh_protocol::error_code::{HttpCode, SignalCode};
use mesh_protocol::ids::RoomId;
use mesh_protocol::signal::{
    ClientMessage, CreateMessage, ServerMessage, SessionAnswer, SetPresence, Status, Welcome,
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

fn control(fake: &Fake) -> ControlPlane {
    ControlPlane::new(&fake.base)
        .unwrap()
        .with_session(SessionToken::new("s3kr1t"))
}

async fn event(events: &mut mpsc::Receiver<SignalEvent>) -> SignalEvent {
    timeout(Duration::from_secs(5), events.recv())
        .await
        .expect("an event in time")
        .expect("an event")
}

async fn connected(events: &mut mpsc::Receiver<SignalEvent>) -> Welcome {
    loop {
        match event(events).await {
            SignalEvent::Connected(welcome) => return welcome,
            SignalEvent::Disconnected { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

fn room() -> RoomId {
    "room".parse().unwrap()
}

fn chat() -> ClientMessage {
    ClientMessage::ChatMessageCreate(CreateMessage {
        room_id: room(),
        client_id: "c".parse().unwrap(),
        text: "hello".into(),
    })
}

#[tokio::test]
async fn rooms_and_presence_come_back_after_a_cut_under_a_new_name() {
    let fake = Fake::start().await;
    let (signal, mut events) = Signal::start(control(&fake));
    let handle = signal.handle();
    let first = connected(&mut events).await.peer_id;
    assert_eq!(handle.join(&room()).await.unwrap().room_id, room());
    let presence = SetPresence {
        room_id: room(),
        status: Status::Busy,
        offers: Vec::new(),
    };
    handle.send(ClientMessage::PresenceSet(presence)).await.unwrap();
    eventually("presence is set", || {
        fake.heard(first.as_str(), "presence.set").len() == 1
    })
    .await;

    fake.make(first.as_str(), Do::Cut);
    assert!(matches!(
        event(&mut events).await,
        SignalEvent::Message {
            message: ServerMessage::RoomState(_),
            ..
        }
    ));
    let SignalEvent::Disconnected { retry_in } = event(&mut events).await else {
        panic!("a cut is told")
    };
    assert!(retry_in <= Duration::from_millis(250));
    let second = connected(&mut events).await.peer_id;
    assert_ne!(first, second);
    assert_eq!(handle.current_peer(), Some(second.clone()));
    eventually("all is as it was", || {
        let joined = fake.heard(second.as_str(), "room.join");
        let present = fake.heard(second.as_str(), "presence.set");
        joined.len() == 1 && present.len() == 1 && present[0]["payload"]["status"] == "busy"
    })
    .await;

    handle.leave(&room()).await.unwrap();
    assert!(handle.rooms().is_empty());
    signal.stop().await;
    assert_eq!(handle.send(chat()).await, Err(SignalError::Ended));
}

#[tokio::test]
async fn what_was_said_before_the_end_still_goes() {
    let fake = Fake::start().await;
    let (signal, mut events) = Signal::start(control(&fake));
    let me = connected(&mut events).await.peer_id;
    for _ in 0..20 {
        signal.handle().send(chat()).await.unwrap();
    }
    drop(events);
    signal.stop().await;
    eventually("all of it arrived", || {
        fake.heard(me.as_str(), "chat.message.create").len() == 20
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_without_a_connection_fails_at_once_but_rooms_are_kept() {
    let fake = Fake::start().await;
    fake.state.lock().unwrap().refuse_upgrade = Some(503);
    let (signal, mut events) = Signal::start(control(&fake));
    let handle = signal.handle();
    assert!(matches!(
        event(&mut events).await,
        SignalEvent::Disconnected { .. }
    ));
    assert_eq!(handle.request(chat()).await, Err(SignalError::Offline));
    assert_eq!(handle.join(&room()).await, Err(SignalError::Offline));
    fake.state.lock().unwrap().refuse_upgrade = None;
    let peer = connected(&mut events).await.peer_id;
    eventually("the room is joined", || {
        fake.heard(peer.as_str(), "room.join").len() == 1
    })
    .await;
    assert!(
        fake.heard(peer.as_str(), "chat.message.create").is_empty(),
        "nothing stale is sent"
    );
}

#[tokio::test]
async fn answers_find_those_who_wait_and_nobody_else() {
    let fake = Fake::start().await;
    fake.state.lock().unwrap().absent_rooms.push("gone".into());
    let (signal, mut events) = Signal::start(control(&fake));
    let handle = signal.handle();
    let me = connected(&mut events).await.peer_id;
    let (one, two) = tokio::join!(handle.request(chat()), handle.request(chat()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.seq, two.seq), (Some(7), Some(7)));
    assert_ne!(one.reference, two.reference);

    let gone: RoomId = "gone".parse().unwrap();
    let refused = handle.join(&gone).await;
    assert!(
        matches!(
            refused,
            Err(SignalError::Refused {
                code: SignalCode::RoomNotFound,
                ..
            })
        ),
        "{refused:?}"
    );
    assert!(
        handle.rooms().is_empty(),
        "a room that is not ours is not tried again"
    );

    let decline = SessionAnswer {
        room_id: room(),
        target: Some("nobody".parse().unwrap()),
        session_id: "s".parse().unwrap(),
        reason: None,
        max_record: None,
    };
    let mut posted = handle
        .post(ClientMessage::ShareDecline(decline.clone()))
        .await
        .unwrap();
    let refused = timeout(Duration::from_secs(5), posted.refused()).await.unwrap();
    assert!(matches!(
        refused,
        SignalError::Refused {
            code: SignalCode::Unroutable,
            ..
        }
    ));
    assert!(
        events.try_recv().is_err(),
        "answers that were waited for are no events"
    );

    handle.send(ClientMessage::ShareDecline(decline)).await.unwrap();
    let SignalEvent::Message {
        from: None,
        message: ServerMessage::Error(error),
    } = event(&mut events).await
    else {
        panic!("a refusal that nobody waits for is an event")
    };
    assert_eq!(error.code, SignalCode::Unroutable);

    let mut posted = handle
        .post(ClientMessage::ShareDecline(SessionAnswer {
            room_id: room(),
            target: Some(me.clone()),
            session_id: "s".parse().unwrap(),
            reason: None,
            max_record: None,
        }))
        .await
        .unwrap();
    fake.make(me.as_str(), Do::Cut);
    assert_eq!(
        timeout(Duration::from_secs(5), posted.refused()).await.unwrap(),
        SignalError::Offline
    );
}

#[tokio::test]
async fn what_this_version_does_not_know_is_passed_over() {
    let fake = Fake::start().await;
    let (_signal, mut events) = Signal::start(control(&fake));
    let me = connected(&mut events).await.peer_id;
    let odd = [
        "{",
        "[]",
        "null",
        r#"{"type":"system.future","payload":{}}"#,
        r#"{"type":"ack","payload":{}}"#,
        "",
    ];
    for text in odd {
        fake.make(me.as_str(), Do::Raw(text.into()));
    }
    fake.make(
        me.as_str(),
        Do::Say(json!({"type": "system.drain", "from": "server", "payload": {}})),
    );
    let next = event(&mut events).await;
    assert!(
        matches!(
            next,
            SignalEvent::Message {
                from: None,
                message: ServerMessage::Drain(_)
            }
        ),
        "{next:?}"
    );
}

#[tokio::test]
async fn a_session_that_ended_ends_the_client_and_a_restart_does_not() {
    let fake = Fake::start().await;
    let (_signal, mut events) = Signal::start(control(&fake));
    let me = connected(&mut events).await.peer_id;
    fake.make(me.as_str(), Do::Close(1012));
    let SignalEvent::Disconnected { retry_in } = event(&mut events).await else {
        panic!()
    };
    assert!(retry_in <= Duration::from_secs(2));
    let me = connected(&mut events).await.peer_id;
    fake.make(me.as_str(), Do::Close(4401));
    assert!(matches!(
        event(&mut events).await,
        SignalEvent::Ended(EndReason::SignInNeeded)
    ));
    assert!(events.recv().await.is_none());

    fake.state.lock().unwrap().refuse_upgrade = Some(401);
    let (_signal, mut events) = Signal::start(control(&fake));
    assert!(matches!(
        event(&mut events).await,
        SignalEvent::Ended(EndReason::SignInNeeded)
    ));
}

#[tokio::test]
async fn a_link_without_a_sign_of_life_is_given_up_within_thirty_seconds() {
    let fake = Fake::start().await;
    let (signal, mut events) = Signal::start(control(&fake));
    let me = connected(&mut events).await.peer_id;
    fake.make(me.as_str(), Do::Freeze);
    // Real sockets and virtual time: the clock jumps whenever nothing is left to do.
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    loop {
        match timeout(Duration::from_secs(60), events.recv())
            .await
            .expect("it is noticed")
        {
            Some(SignalEvent::Disconnected { .. }) => break,
            Some(_) => {}
            None => panic!("the task must go on"),
        }
    }
    let took = start.elapsed();
    assert!(
        took > Duration::from_secs(15) && took <= Duration::from_secs(30),
        "{took:?}"
    );
    assert_eq!(signal.handle().current_peer(), None);
}

#[tokio::test]
async fn rest_errors_say_what_to_do_and_no_secret_is_printed() {
    let fake = Fake::start().await;
    let control = control(&fake);
    assert!(!format!("{control:?}").contains("s3kr1t"), "{control:?}");

    fake.answer(
        "/rooms",
        403,
        r#"{"type":"about:blank","title":"t","status":403,"detail":"ask the owner","code":"FORBIDDEN"}"#,
    );
    let error = control.rooms().await.unwrap_err();
    assert_eq!(
        error,
        ApiError::Problem {
            status: 403,
            code: HttpCode::Forbidden,
            detail: "ask the owner".into()
        }
    );
    fake.answer("/me", 200, "<html>");
    assert!(matches!(control.me().await, Err(ApiError::NotMesh { .. })));
    fake.answer("/health", 302, "");
    assert!(
        matches!(control.health().await, Err(ApiError::NotMesh { .. })),
        "no redirect is followed"
    );
    fake.answer("/devices", 200, &format!("\"{}\"", "x".repeat(9 << 20)));
    assert!(
        matches!(control.devices().await, Err(ApiError::NotMesh { .. })),
        "an answer has a bound"
    );

    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let away = ControlPlane::new(&format!("http://{nobody}")).unwrap();
    let error = away.health().await.unwrap_err();
    assert!(
        matches!(&error, ApiError::Network { sentence } if sentence.contains("cannot be reached")),
        "{error}"
    );
    assert!(error.is_transient());
}

#[tokio::test]
async fn keys_are_fetched_once_for_all_and_again_when_they_rotate() {
    let fake = Fake::start().await;
    let keys = Keys::new(control(&fake));
    let now = 1_700_000_000;
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: "p".parse().unwrap(),
        room_id: room(),
        caps: vec![Capability::Call],
        target_peer_id: None,
        max_size: None,
        session_id: None,
        jti: "j".parse().unwrap(),
        iat: now,
        exp: now + 120,
        cnf: None,
    };
    let token = |kid| fake::signer(kid).sign(&claims).unwrap();
    let jwks = || fake.asked("/.well-known/jwks.json");
    let old = token(0);
    let many = futures_util::future::join_all((0..20).map(|_| keys.verify(&old, now))).await;
    assert!(many.iter().all(Result::is_ok));
    assert_eq!(jwks(), 1);

    // Names that are made up do not make this device hammer the server.
    for kid in 10..60 {
        assert!(matches!(
            keys.verify(&token(kid), now).await,
            Err(KeysError::Refused(_))
        ));
    }
    assert_eq!(jwks(), 1);

    fake.state.lock().unwrap().kid = 1;
    keys.refresh().await.unwrap();
    assert!(keys.verify(&token(1), now).await.is_ok());
    assert_eq!(jwks(), 2);
}

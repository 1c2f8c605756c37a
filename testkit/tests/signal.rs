//! The client of `mesh-peer` against the real server: signing in, being in a room, opening a session, losing the server.

use std::time::Duration;

use mesh_peer::rtc::RtcConfig;
use mesh_peer::session::{
    Accepted, Invitation, OpenSession, SessionContext, SessionEnd, SessionError, SessionRouter, Wanted,
    new_session_id, open_as_answerer, open_as_requester,
};
use mesh_peer::signal::{
    ApiError, ControlPlane, EndReason, Keys, SessionToken, Signal, SignalError, SignalEvent,
};
use mesh_protocol::capability::{Capability, Feature};
use mesh_protocol::error_code::{HttpCode, SignalCode};
use mesh_protocol::http::{CreateInvite, DeviceIntro, DeviceKind, Login, Revocation};
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_protocol::signal::{
    ClientMessage, CreateMessage, ServerMessage, SessionRequest, SetPresence, Status,
};
use mesh_testkit::{PASSWORD, TestServer};
use tokio::sync::mpsc;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);

async fn account(server: &TestServer, name: &str) -> ControlPlane {
    server.add_user(name).await.unwrap();
    let stranger = ControlPlane::new(&server.url()).unwrap();
    let device = DeviceIntro {
        name: format!("{name}'s machine"),
        kind: DeviceKind::Agent,
        key: None,
    };
    let body = Login {
        username: name.into(),
        password: PASSWORD.into(),
        device: Some(device),
    };
    let session = stranger.login(&body).await.unwrap();
    stranger.with_session(SessionToken::new(session.token))
}

/// Two accounts in one room.
async fn pair(server: &TestServer) -> (ControlPlane, ControlPlane, RoomId) {
    let (alice, bob) = (account(server, "alice").await, account(server, "bob").await);
    let room = alice.create_room("Home").await.unwrap();
    let invite = alice
        .create_invite(&room, &CreateInvite::default())
        .await
        .unwrap();
    assert_eq!(bob.join_by_invite(&invite.token).await.unwrap(), room);
    (alice, bob, room)
}

/// A device: its socket, and the events that no session claimed.
struct Device {
    ctx: SessionContext,
    rest: mpsc::Receiver<SignalEvent>,
    signal: Signal,
}

async fn device(control: &ControlPlane, room: &RoomId) -> Device {
    let (signal, mut events) = Signal::start(control.clone());
    let router = SessionRouter::new();
    let (tx, rest) = mpsc::channel(256);
    let mine = router.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Some(event) = mine.dispatch(event) {
                let _ = tx.try_send(event);
            }
        }
    });
    let handle = signal.handle();
    timeout(SOON, handle.peer_id().wait_for(Option::is_some))
        .await
        .unwrap()
        .unwrap();
    handle.join(room).await.unwrap();
    let rtc = RtcConfig {
        loopback: true,
        ..RtcConfig::default()
    };
    let ctx = SessionContext::new(control.clone(), handle, Keys::new(control.clone()), router, rtc);
    Device { ctx, rest, signal }
}

impl Device {
    fn me(&self) -> PeerId {
        self.ctx.signal().current_peer().unwrap()
    }

    /// The next event that is what is looked for.
    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(SignalEvent) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self
                    .rest
                    .recv()
                    .await
                    .unwrap_or_else(|| panic!("the socket ended before: {what}"));
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(SOON, found)
            .await
            .unwrap_or_else(|_| panic!("never: {what}"))
    }

    /// Lets the next request for the terminal in.
    async fn share(&mut self, room: &RoomId) -> Result<OpenSession, SessionError> {
        let (remote, asked) = self
            .until("a request", |event| match event {
                SignalEvent::Message {
                    from,
                    message: ServerMessage::TerminalShareRequest(asked),
                } => Some((from, asked)),
                _ => None,
            })
            .await;
        let remote = remote.unwrap();
        let route = self
            .ctx
            .router()
            .register(&asked.session_id.unwrap(), room, Some(&remote))
            .unwrap();
        let accepted = Accepted {
            room_id: room.clone(),
            remote,
            feature: Feature::Terminal,
        };
        open_as_answerer(&self.ctx, accepted, route).await
    }
}

fn view(invitation: Invitation) -> ClientMessage {
    let Invitation {
        room_id,
        target,
        session_id,
        cap_token,
    } = invitation;
    let (session_id, cap_token) = (Some(session_id), Some(cap_token));
    ClientMessage::TerminalShareRequest(SessionRequest {
        room_id,
        target,
        session_id,
        cap_token,
        share_id: None,
    })
}

async fn open(viewer: &Device, host: &mut Device, room: &RoomId) -> (OpenSession, OpenSession) {
    let wanted = Wanted {
        room_id: room.clone(),
        target: Some(host.me()),
        feature: Feature::Terminal,
        session_id: new_session_id(),
        max_size: None,
        consent: SOON,
    };
    let (asked, shared) = tokio::join!(open_as_requester(&viewer.ctx, wanted, view), host.share(room));
    (asked.unwrap(), shared.unwrap())
}

async fn carries(from: &OpenSession, to: &mut OpenSession) {
    from.frames_tx
        .send(b"\x15frame"[..].to_vec().into())
        .await
        .unwrap();
    assert_eq!(
        timeout(SOON, to.frames_rx.recv()).await.unwrap().as_deref(),
        Some(&b"\x15frame"[..])
    );
}

#[tokio::test]
async fn rest_signs_in_and_says_what_is_wrong() {
    let server = TestServer::start().await.unwrap();
    let (alice, bob, room) = pair(&server).await;
    assert!(alice.health().await.unwrap().ok);
    assert_eq!(alice.me().await.unwrap().name, "alice");
    assert_eq!(bob.rooms().await.unwrap()[0].room_id, room);
    assert_eq!(alice.members(&room).await.unwrap().len(), 2);
    assert_eq!(alice.devices().await.unwrap()[0].name, "alice's machine");
    assert!(!alice.jwks().await.unwrap().keys.is_empty());
    alice.ice().await.unwrap();
    alice.ticket().await.unwrap();

    let stranger = ControlPlane::new(&server.url()).unwrap();
    let wrong = Login {
        username: "alice".into(),
        password: "wrong password".into(),
        device: None,
    };
    assert_eq!(
        stranger.login(&wrong).await.unwrap_err().code(),
        Some(HttpCode::WrongCredentials)
    );
    assert!(stranger.me().await.unwrap_err().sign_in_needed());
    let absent: RoomId = "absent".parse().unwrap();
    let error = alice.members(&absent).await.unwrap_err();
    assert!(
        matches!(
            error,
            ApiError::Problem {
                status: 404,
                code: HttpCode::RoomNotFound,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_socket_joins_acknowledges_refuses_and_ends_with_the_session() {
    let server = TestServer::start().await.unwrap();
    let (alice, bob, room) = pair(&server).await;
    let (mut first, mut second) = (device(&alice, &room).await, device(&bob, &room).await);
    let handle = first.ctx.signal().clone();
    let text = CreateMessage {
        room_id: room.clone(),
        client_id: "c1".parse().unwrap(),
        text: "hello".into(),
    };
    let ack = handle
        .request(ClientMessage::ChatMessageCreate(text))
        .await
        .unwrap();
    assert_eq!(ack.seq, Some(1));
    second
        .until("the message", |event| match event {
            SignalEvent::Message {
                message: ServerMessage::ChatMessageCreated(chat),
                ..
            } => Some(chat.seq == 1),
            _ => None,
        })
        .await;
    assert_eq!(alice.messages(&room, None, 10).await.unwrap()[0].text, "hello");

    let absent = "absent".parse().unwrap();
    let refused = handle.join(&absent).await;
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

    alice.logout().await.unwrap();
    let reason = first
        .until("the end", |event| match event {
            SignalEvent::Ended(reason) => Some(reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, EndReason::SignInNeeded);
}

#[tokio::test]
async fn a_session_opens_and_is_cut_when_it_is_taken_back() {
    let server = TestServer::start().await.unwrap();
    let (alice, bob, room) = pair(&server).await;
    let (mut host, viewer) = (device(&alice, &room).await, device(&bob, &room).await);
    let (mut asked, mut shared) = open(&viewer, &mut host, &room).await;
    carries(&asked, &mut shared).await;
    carries(&shared, &mut asked).await;
    let fresh = asked.renewal.renew(&[Capability::TerminalView]).await.unwrap();
    shared
        .judge
        .judge(&fresh.cap_token, Capability::TerminalView)
        .await
        .unwrap();

    let session_id = shared.binding.session_id.clone();
    alice.revoke(&Revocation::Session { session_id }).await.unwrap();
    let ends = async { (asked.control.ended().await, shared.control.ended().await) };
    let (asked_end, shared_end) = timeout(Duration::from_secs(5), ends)
        .await
        .expect("within five seconds");
    // Whoever hears the server first cuts; the other may see the cut before the word.
    for end in [asked_end, shared_end] {
        assert!(
            matches!(end, SessionEnd::Revoked(_) | SessionEnd::Closed(_)),
            "{end:?}"
        );
    }
    assert_eq!(timeout(SOON, asked.frames_rx.recv()).await.unwrap(), None);
}

#[tokio::test]
async fn a_peer_that_leaves_the_room_ends_its_sessions() {
    let server = TestServer::start().await.unwrap();
    let (alice, bob, room) = pair(&server).await;
    let (mut host, viewer) = (device(&alice, &room).await, device(&bob, &room).await);
    let (_asked, shared) = open(&viewer, &mut host, &room).await;
    viewer.ctx.signal().leave(&room).await.unwrap();
    let end = timeout(Duration::from_secs(10), shared.control.ended())
        .await
        .unwrap();
    // Who leaves is told as well and closes its end: the host hears of it from whoever is sooner.
    assert!(
        matches!(
            end,
            SessionEnd::PeerLeft | SessionEnd::Revoked(_) | SessionEnd::Closed(_)
        ),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_server_that_restarts_takes_no_session_with_it_and_all_is_put_back() {
    let server = TestServer::start().await.unwrap();
    let (alice, bob, room) = pair(&server).await;
    let (mut host, viewer) = (device(&alice, &room).await, device(&bob, &room).await);
    let presence = SetPresence {
        room_id: room.clone(),
        status: Status::Busy,
        offers: vec![Feature::Terminal],
    };
    host.ctx
        .signal()
        .send(ClientMessage::PresenceSet(presence))
        .await
        .unwrap();
    let (mut asked, mut shared) = open(&viewer, &mut host, &room).await;
    let before = host.me();

    let server = server.restart().await.unwrap();
    let after = host
        .until("connected again", |event| match event {
            SignalEvent::Connected(welcome) if welcome.peer_id != before => Some(welcome.peer_id),
            _ => None,
        })
        .await;
    host.until("presence is back", |event| match event {
        SignalEvent::Message {
            message: ServerMessage::PresenceChanged(changed),
            ..
        } => (changed.peer.peer_id == after && changed.peer.status == Status::Busy).then_some(()),
        _ => None,
    })
    .await;
    // Longer than a peer that left would have.
    tokio::time::sleep(Duration::from_secs(6)).await;
    carries(&asked, &mut shared).await;
    carries(&shared, &mut asked).await;
    viewer.signal.stop().await;
    drop(server);
}

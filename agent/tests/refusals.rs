//! Promise 2: the receiving device checks every capability by itself. The attacker here has gone as far as anyone could:
//! the server relayed its request and its offer, consent is given in advance, the DataChannel is open, and it can even
//! sign tokens with the server's own key. What it shows on the channel is for something else.

use crate::world::{SOON, World, status};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesh_peer::rtc::{Certificate, Connection, ConnectionEvent, RtcConfig};
use mesh_peer::session::new_session_id;
use mesh_peer::signal::{ControlPlane, SessionToken, Signal, SignalEvent};
use mesh_peer::transport::Transport as _;
use mesh_protocol::PROTOCOL_VERSION;
use mesh_protocol::capability::{
    AUDIENCE, Capability, CapabilitySigner, Claims, Confirmation, Feature, ISSUER,
};
use mesh_protocol::channel::{Frame, Hello};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::ids::{PeerId, SessionId};
use mesh_protocol::signal::{
    ClientMessage, Description, ServerMessage, SessionAnswer, SessionRequest, SetPresence, Status,
    TrickledCandidate,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Somebody with a socket of their own and the server's signing key.
struct Attacker<'a> {
    world: &'a World,
    signal: Signal,
    events: mpsc::Receiver<SignalEvent>,
    me: PeerId,
    host: PeerId,
    signer: CapabilitySigner,
}

impl<'a> Attacker<'a> {
    async fn enter(world: &'a World) -> Self {
        let token = SessionToken::new(world.alice.token.clone());
        let control = ControlPlane::new(&world.server.url())
            .unwrap()
            .with_session(token);
        let kid = control.jwks().await.unwrap().keys[0].kid.clone();
        // One line a key: its seed, and since when it signs.
        let keys = std::fs::read_to_string(world.server.data_dir().join("capability.key")).unwrap();
        let seed = keys.split_whitespace().next().unwrap();
        let seed: [u8; 32] = URL_SAFE_NO_PAD.decode(seed).unwrap().try_into().unwrap();
        let (signal, mut events) = Signal::start(control);
        let Some(SignalEvent::Connected(welcome)) = events.recv().await else {
            panic!("no welcome")
        };
        let state = signal.handle().join(&world.home).await.unwrap();
        let host = state
            .peers
            .iter()
            .find(|peer| peer.device_name == "host")
            .unwrap()
            .peer_id
            .clone();
        let signer = CapabilitySigner::from_seed(&kid, &seed).unwrap();
        Self {
            world,
            signal,
            events,
            me: welcome.peer_id,
            host,
            signer,
        }
    }

    fn claims(&self, session_id: &SessionId, fingerprint: &str) -> Claims {
        let now = self.world.server.now();
        Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: self.me.clone(),
            room_id: self.world.home.clone(),
            caps: vec![Capability::TerminalView],
            target_peer_id: Some(self.host.clone()),
            max_size: None,
            session_id: Some(session_id.clone()),
            jti: new_session_id().as_str().parse().unwrap(),
            iat: now,
            exp: now + 120,
            cnf: Some(Confirmation {
                fp: format!("sha-256 {fingerprint}"),
            }),
        }
    }

    /// Opens a terminal's channel in order, then shows the token of `change` in its HELLO. Gives the first frame that is
    /// not the host's own HELLO, and `None` when the host just closed.
    async fn first_frame(&mut self, change: impl FnOnce(&mut Claims)) -> Option<Frame> {
        let config = RtcConfig {
            loopback: true,
            ..RtcConfig::default()
        };
        let (connection, mut found) = Connection::start(config, Feature::Terminal.as_str()).unwrap();
        let session_id = new_session_id();
        let mut claims = self.claims(&session_id, connection.fingerprint());
        let token = self.signer.sign(&claims).unwrap();
        change(&mut claims);
        let shown = self.signer.sign(&claims).unwrap();

        let handle = self.signal.handle();
        let room_id = self.world.home.clone();
        let request = SessionRequest {
            room_id: room_id.clone(),
            target: Some(self.host.clone()),
            session_id: Some(session_id.clone()),
            cap_token: Some(token.clone()),
            share_id: None,
        };
        handle
            .send(ClientMessage::TerminalShareRequest(request))
            .await
            .unwrap();
        self.until(|message| matches!(message, ServerMessage::TerminalShareAccept(_)))
            .await;
        let offer = Description {
            room_id: room_id.clone(),
            target: self.host.clone(),
            session_id: session_id.clone(),
            feature: Some(Feature::Terminal),
            cap_token: Some(token.clone()),
            sdp: connection.offer(None).await.unwrap(),
        };
        handle.send(ClientMessage::RtcOffer(offer)).await.unwrap();

        let transport = loop {
            tokio::select! {
                event = found.recv() => match event.expect("the connection lives") {
                    ConnectionEvent::Open(transport) => break transport,
                    ConnectionEvent::Candidate(candidate) => {
                        let trickled = TrickledCandidate {
                            room_id: room_id.clone(),
                            target: self.host.clone(),
                            session_id: session_id.clone(),
                            feature: Some(Feature::Terminal),
                            cap_token: Some(token.clone()),
                            candidate: Some(recode(&candidate)),
                        };
                        handle.send(ClientMessage::RtcIce(trickled)).await.unwrap();
                    }
                    ConnectionEvent::EndOfCandidates | ConnectionEvent::Disturbed | ConnectionEvent::Restored => {}
                    ConnectionEvent::Closed(why) => panic!("not connected: {why}"),
                },
                event = self.events.recv() => match event {
                    Some(SignalEvent::Message { message: ServerMessage::RtcAnswer(answer), .. }) => {
                        connection.accept_answer(&answer.sdp).await.unwrap();
                    }
                    Some(SignalEvent::Message { message: ServerMessage::RtcIce(ice), .. }) => {
                        if let Some(candidate) = ice.candidate {
                            connection.add_candidate(recode(&candidate)).await.unwrap();
                        }
                    }
                    Some(_) => {}
                    None => panic!("the socket ended"),
                },
            }
        };
        let (frames, mut answers) = transport.split();
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            session_id,
            cap_token: shown,
        };
        frames.send(Frame::Hello(hello).encode()).await.unwrap();
        let answered = async {
            while let Some(message) = answers.recv().await {
                let frame = Frame::decode(&message).unwrap();
                if !matches!(frame, Frame::Hello(_)) {
                    return Some(frame);
                }
            }
            None
        };
        timeout(SOON, answered).await.expect("an answer or an end")
    }

    async fn until(&mut self, wanted: impl Fn(&ServerMessage) -> bool) {
        let found = async {
            while let Some(event) = self.events.recv().await {
                match event {
                    SignalEvent::Message {
                        message: ServerMessage::Error(error),
                        ..
                    } => panic!("{error:?}"),
                    SignalEvent::Message { message, .. } if wanted(&message) => return,
                    _ => {}
                }
            }
            panic!("the socket ended");
        };
        timeout(SOON, found).await.expect("the message");
    }
}

/// The wire's candidate and the driver's have one JSON form, that of RTCIceCandidateInit.
fn recode<A: serde::Serialize, B: serde::de::DeserializeOwned>(candidate: &A) -> B {
    serde_json::from_value(serde_json::to_value(candidate).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn t26_the_agent_refuses_a_channel_whose_capability_is_for_something_else() {
    let world = World::start().await;
    let host = world.machine("host").await;
    let mut daemon = host.mesh(&["up", "--allow", "terminal:view"]);
    daemon.until("This device is up").await;
    let mut attacker = Attacker::enter(&world).await;

    let control = attacker.first_frame(|_| {}).await;
    assert!(
        matches!(
            control,
            Some(Frame::TermSnapshot(_) | Frame::TermLease(_) | Frame::TermViewers(_))
        ),
        "{control:?}"
    );

    type Change = fn(&mut Claims);
    let cases: [(&str, Change); 8] = [
        ("another session", |claims| {
            claims.session_id = Some(new_session_id())
        }),
        ("another target", |claims| {
            claims.target_peer_id = Some("somebody-else".parse().unwrap())
        }),
        ("another peer's fingerprint", |claims| {
            let other = Certificate::generate().unwrap();
            claims.cnf = Some(Confirmation {
                fp: format!("sha-256 {}", other.fingerprint()),
            });
        }),
        ("expired", |claims| {
            claims.iat -= 200;
            claims.exp -= 200;
        }),
        ("another room", |claims| {
            claims.room_id = "another-room".parse().unwrap()
        }),
        ("another sender", |claims| {
            claims.sub = "somebody-else".parse().unwrap()
        }),
        ("another capability", |claims| {
            claims.caps = vec![Capability::ShareFile]
        }),
        ("no fingerprint", |claims| claims.cnf = None),
    ];
    for (name, change) in cases {
        let frame = attacker.first_frame(change).await;
        let refused = matches!(&frame, Some(Frame::Bye(bye)) if bye.code == ChannelCode::CapRefused);
        assert!(refused, "{name}: {frame:?}");
    }
    let all = cases.len();
    println!("t26: {all} of {all} channels refused whose capability is for something else");
}

/// Takes an offered file as an honest device would, but for the certificate in its answer, which is another one: what
/// arrives where somebody in between swaps it.
async fn accept_with_a_swapped_certificate(attacker: &mut Attacker<'_>) {
    let handle = attacker.signal.handle();
    let room_id = attacker.world.home.clone();
    let presence = SetPresence {
        room_id: room_id.clone(),
        status: Status::Online,
        offers: vec![Feature::File],
    };
    handle.send(ClientMessage::PresenceSet(presence)).await.unwrap();
    let config = RtcConfig {
        loopback: true,
        ..RtcConfig::default()
    };
    let (connection, _found) = Connection::start(config, Feature::File.as_str()).unwrap();
    while let Some(event) = attacker.events.recv().await {
        let SignalEvent::Message {
            from: Some(from),
            message,
        } = event
        else {
            continue;
        };
        match message {
            ServerMessage::ShareFileRequest(asked) => {
                let answer = SessionAnswer {
                    room_id: room_id.clone(),
                    target: Some(from),
                    session_id: asked.session_id.unwrap(),
                    reason: None,
                    max_record: None,
                };
                handle.send(ClientMessage::ShareAccept(answer)).await.unwrap();
            }
            ServerMessage::RtcOffer(offer) => {
                let claims = Claims {
                    caps: vec![Capability::ShareFile],
                    target_peer_id: Some(from.clone()),
                    ..attacker.claims(&offer.session_id, connection.fingerprint())
                };
                let other = Certificate::generate().unwrap();
                let sdp = connection.accept_offer(&offer.sdp).await.unwrap();
                let answer = Description {
                    target: from,
                    cap_token: Some(attacker.signer.sign(&claims).unwrap()),
                    sdp: sdp.replace(connection.fingerprint(), other.fingerprint()),
                    ..offer
                };
                return handle.send(ClientMessage::RtcAnswer(answer)).await.unwrap();
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_who_sends_is_told_that_somebody_in_between_swapped_the_certificate() {
    let world = World::start().await;
    let host = world.machine("host").await;
    let mut daemon = host.mesh(&["up"]);
    daemon.until("This device is up").await;
    let mut attacker = Attacker::enter(&world).await;
    let source = world.path("content");
    std::fs::write(&source, "secret").unwrap();
    let sending = host.mesh(&["send", source.to_str().unwrap(), "--to", "Home", "--json"]);
    let ((), ended) = tokio::join!(accept_with_a_swapped_certificate(&mut attacker), sending.finish());
    let said = ended.1.last().unwrap();
    assert_eq!(status(&ended), Some(4), "{said}");
    assert!(said.contains("somebody in between"), "{said}");
}

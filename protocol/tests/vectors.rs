//! The wire, byte for byte. Each file in `vectors/` is also read by the web client's tests; a change here is a change of
//! the protocol. `MESH_BLESS=1 cargo test -p mesh-protocol --test vectors` writes the files anew.

use std::path::PathBuf;

use mesh_protocol::capability::*;
use mesh_protocol::channel::*;
use mesh_protocol::error_code::{ChannelCode, SignalCode};
use mesh_protocol::http::*;
use mesh_protocol::safe_path::SafePath;
use mesh_protocol::signal::*;
use serde_json::{Value, json};

const FP: &str =
    "sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
const NOW: u64 = 1_700_000_000;

fn golden(name: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    let mut text = serde_json::to_string_pretty(value).unwrap();
    text.push('\n');
    if std::env::var_os("MESH_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(pinned == text, "{name} differs from what the code writes; see the head of this file");
}

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn frames() -> Vec<(&'static str, Frame)> {
    let size = TermSize { cols: 80, rows: 24 };
    vec![
        ("hello", Frame::Hello(Hello { protocol: 1, session_id: id("s1"), cap_token: "a.b.c".into() })),
        ("bye", Frame::Bye(Bye { code: ChannelCode::CapRefused, detail: "the capability is for another target".into() })),
        ("renew", Frame::Renew(Renew { cap_token: "a.b.c".into() })),
        (
            "term_snapshot",
            Frame::TermSnapshot(TermSnapshot { first: true, last: false, size, seq: 4096, bytes: "\u{1b}[2J$ ".into() }),
        ),
        (
            "term_snapshot_last",
            Frame::TermSnapshot(TermSnapshot { first: false, last: true, size, seq: 4096, bytes: "é".into() }),
        ),
        ("term_out", Frame::TermOut(TermOut { seq: 1 << 40, bytes: "42\r\n".into() })),
        ("term_in", Frame::TermIn(TermIn { epoch: 3, bytes: "echo $((6*7))\r".into() })),
        ("term_resize", Frame::TermResize(TermResize { epoch: 3, size: TermSize { cols: 120, rows: 40 } })),
        ("term_lease", Frame::TermLease(TermLease { holder: Some(id("p2")), name: "Bob".into(), epoch: 3, you: true })),
        ("term_lease_free", Frame::TermLease(TermLease { holder: None, name: String::new(), epoch: 4, you: false })),
        ("term_ack", Frame::TermAck(TermAck { seq: 65_536 })),
        ("term_exit", Frame::TermExit(TermExit { code: Some(0) })),
        (
            "term_viewers",
            Frame::TermViewers(TermViewers { viewers: vec![TermViewer { peer_id: id("p2"), name: "Bob".into() }] }),
        ),
        (
            "file_manifest",
            Frame::FileManifest(FileManifest {
                files: vec![ManifestEntry {
                    file: 0,
                    path: "notes/été.txt".into(),
                    size: 5,
                    hash: blake3::hash(b"hello").to_hex().to_string(),
                    modified_at: Some(1_700_000_000_000),
                }],
                last: true,
            }),
        ),
        ("file_want", Frame::FileWant(FileWant { ranges: vec![ChunkRange { file: 0, from: 0, to: 1 }], last: true })),
        (
            "file_chunk",
            Frame::FileChunk(FileChunk { file: 0, chunk: 0, len: 5, digest: *blake3::hash(b"hello").as_bytes() }),
        ),
        ("file_data", Frame::FileData(FileData { file: 0, offset: 0, bytes: "hello".into() })),
        ("file_ack", Frame::FileAck(FileAck { bytes: 5 })),
        ("file_done", Frame::FileDone(FileDone { file: 0, hash: blake3::hash(b"hello").to_hex().to_string() })),
        (
            "file_error",
            Frame::FileError(FileError { file: Some(0), code: ChannelCode::DiskFull, detail: "the disk is full".into() }),
        ),
    ]
}

#[test]
fn channel_frames() {
    let all: Vec<Value> = frames()
        .into_iter()
        .map(|(name, frame)| {
            let bytes = frame.encode();
            assert_eq!(Frame::decode(&bytes), Ok(frame), "{name}");
            json!({ "name": name, "hex": hex(&bytes) })
        })
        .collect();
    let pinned: Vec<FrameType> = frames().iter().map(|(_, frame)| frame.frame_type()).collect();
    for kind in FrameType::ALL {
        assert!(pinned.contains(kind), "{kind:?} has no vector");
    }
    golden("channel.json", &json!(all));
}

fn peer() -> Peer {
    Peer {
        peer_id: id("p1"),
        user_id: id("u1"),
        name: "Alice".into(),
        device_id: id("d1"),
        device_name: "workshop".into(),
        kind: DeviceKind::Agent,
        status: Status::Online,
        offers: vec![Feature::Terminal, Feature::File],
    }
}

fn client_messages() -> Vec<ClientMessage> {
    use ClientMessage as M;
    let in_room = || InRoom { room_id: id("r1") };
    let request = || SessionRequest {
        room_id: id("r1"),
        target: Some(id("p2")),
        session_id: Some(id("s1")),
        cap_token: Some("a.b.c".into()),
        share_id: None,
    };
    let answer = |reason| SessionAnswer { room_id: id("r1"), target: Some(id("p2")), session_id: id("s1"), reason };
    let transfer = || TransferRequest {
        room_id: id("r1"),
        target: None,
        session_id: Some(id("s1")),
        cap_token: Some("a.b.c".into()),
        name: "notes.txt".into(),
        size: 5,
        count: 1,
        files: vec![OfferedFile { path: "notes.txt".into(), size: 5 }],
    };
    let notice = || ShareNotice { room_id: id("r1"), cap_token: Some("a.b.c".into()), share_id: id("h1"), label: "bash".into() };
    let description = || Description {
        room_id: id("r1"),
        target: id("p2"),
        session_id: id("s1"),
        feature: Some(Feature::Terminal),
        cap_token: Some("a.b.c".into()),
        sdp: "v=0\r\n".into(),
    };
    let candidate = IceCandidate {
        candidate: "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host".into(),
        sdp_mid: Some("0".into()),
        sdp_mline_index: Some(0),
        username_fragment: None,
    };
    let none = None;
    vec![
        M::RoomJoin(in_room()),
        M::RoomLeave(in_room()),
        M::PresenceSet(SetPresence { room_id: id("r1"), status: Status::Away, offers: vec![Feature::File] }),
        M::ChatMessageCreate(CreateMessage { room_id: id("r1"), client_id: id("c1"), text: "hé".into() }),
        M::ChatTyping(Typing { room_id: id("r1"), typing: true }),
        M::CallRequest(request()),
        M::CallAccept(answer(none)),
        M::CallDecline(answer(Some(Reason::Busy))),
        M::CallEnd(answer(none)),
        M::ScreenShareRequest(request()),
        M::ScreenShareAccept(answer(none)),
        M::ScreenShareDecline(answer(Some(Reason::Declined))),
        M::ScreenShareStop(answer(none)),
        M::ShareFileRequest(transfer()),
        M::ShareFolderRequest(transfer()),
        M::ShareAccept(answer(none)),
        M::ShareDecline(answer(Some(Reason::Declined))),
        M::ShareCancel(answer(Some(Reason::Taken))),
        M::ShareCompleted(answer(none)),
        M::TerminalShareStarted(notice()),
        M::TerminalShareEnded(notice()),
        M::TerminalShareRequest(request()),
        M::TerminalShareAccept(answer(none)),
        M::TerminalShareDecline(answer(Some(Reason::Timeout))),
        M::TerminalControlTake(request()),
        M::TerminalControlGrant(ControlGrant { room_id: id("r1"), target: id("p2"), session_id: id("s1"), epoch: 3 }),
        M::TerminalControlDeny(answer(Some(Reason::Declined))),
        M::TerminalControlRelease(request()),
        M::RtcOffer(description()),
        M::RtcAnswer(description()),
        M::RtcIce(TrickledCandidate {
            room_id: id("r1"),
            target: id("p2"),
            session_id: id("s1"),
            feature: Some(Feature::Terminal),
            cap_token: Some("a.b.c".into()),
            candidate: Some(candidate),
        }),
    ]
}

fn server_messages() -> Vec<ServerMessage> {
    use ServerMessage as M;
    let welcome =
        Welcome { peer_id: id("p1"), user_id: id("u1"), device_id: id("d1"), resume: "r".into(), protocol: 1 };
    let state = RoomState {
        room_id: id("r1"),
        name: "Home".into(),
        role: Role::Owner,
        members: vec![Member { user_id: id("u1"), name: "Alice".into(), role: Role::Owner }],
        peers: vec![peer()],
        shares: vec![Share {
            share_id: id("h1"),
            feature: Feature::Terminal,
            peer_id: id("p1"),
            user_id: id("u1"),
            label: "bash".into(),
        }],
        last_seq: 7,
    };
    let in_room = || PeerInRoom { room_id: id("r1"), peer: peer() };
    let error =
        SignalError { code: SignalCode::CapRequired, detail: "terminal:view".into(), reference: Some(id("m1")) };
    let chat = ChatMessage {
        room_id: id("r1"),
        seq: 7,
        user_id: id("u1"),
        name: "Alice".into(),
        device_id: id("d1"),
        client_id: id("c1"),
        text: "hé".into(),
        created_at: 1_700_000_000_123,
    };
    vec![
        M::Welcome(welcome),
        M::Resync(Nothing {}),
        M::Drain(Nothing {}),
        M::RoomState(state),
        M::RoomJoined(in_room()),
        M::RoomLeft(PeerLeft { room_id: id("r1"), peer_id: id("p1"), user_id: id("u1") }),
        M::PresenceChanged(in_room()),
        M::Ack(Ack { reference: id("m1"), seq: Some(7) }),
        M::Error(error),
        M::CapRevoked(Revoked { session_id: id("s1"), jti: None, reason: "left the room".into() }),
        M::ChatMessageCreated(chat),
    ]
}

#[test]
fn signal_messages() {
    let clients: Vec<Value> = client_messages()
        .into_iter()
        .map(|message| {
            let envelope = Envelope::named(id("m1"), message);
            let text = serde_json::to_string(&envelope).unwrap();
            assert_eq!(serde_json::from_str::<Envelope<ClientMessage>>(&text).unwrap(), envelope);
            serde_json::from_str(&text).unwrap()
        })
        .collect();
    let named: Vec<ClientType> = client_messages().iter().map(ClientMessage::kind).collect();
    for kind in ClientType::ALL {
        assert!(named.contains(kind), "{kind:?} has no vector");
        assert_eq!(ClientType::parse(kind.as_str()), Some(*kind));
    }
    let servers: Vec<Value> = server_messages()
        .into_iter()
        .map(|message| {
            let envelope = Envelope {
                id: Some(id("e1")),
                timestamp: Some("2023-11-14T22:13:20Z".into()),
                from: Some(FROM_SERVER.into()),
                to: Some("p1".into()),
                message,
            };
            let text = serde_json::to_string(&envelope).unwrap();
            assert_eq!(serde_json::from_str::<Envelope<ServerMessage>>(&text).unwrap(), envelope);
            serde_json::from_str(&text).unwrap()
        })
        .collect();
    golden("signal.json", &json!({ "client": clients, "server": servers }));
}

#[test]
fn the_seeds_own_names_are_taken() {
    let seed = r#"{"type":"chat.message.created","payload":{"room_id":"r1","client_id":"c1","text":"x"}}"#;
    let message = serde_json::from_str::<Envelope<ClientMessage>>(seed).unwrap().message;
    assert_eq!(message.kind(), ClientType::ChatMessageCreate);
    let seed = r#"{"type":"rtc.offer","payload":{"room_id":"r1","target_peer_id":"p2","session_id":"s1","sdp":"v=0"}}"#;
    let ClientMessage::RtcOffer(offer) = serde_json::from_str::<Envelope<ClientMessage>>(seed).unwrap().message else {
        panic!("not an offer");
    };
    assert_eq!(offer.target.as_str(), "p2");
}

#[test]
fn capability_tokens() {
    let signer = CapabilitySigner::from_seed("k1", &[7; 32]).unwrap();
    let jwks = Jwks { keys: vec![signer.jwk().clone()] };
    let verifier = CapabilityVerifier::from_jwks(&jwks);
    let claims = Claims {
        iss: ISSUER.into(),
        aud: AUDIENCE.into(),
        sub: id("p2"),
        room_id: id("r1"),
        caps: vec![Capability::TerminalView],
        target_peer_id: Some(id("p1")),
        max_size: None,
        session_id: Some(id("s1")),
        jti: id("t1"),
        iat: NOW,
        exp: NOW + 120,
        cnf: Some(Confirmation { fp: FP.into() }),
    };
    let (room_id, session_id, bearer, target) = (id("r1"), id("s1"), id("p2"), id("p1"));
    let expected = Expected {
        capability: Capability::TerminalView,
        room_id: &room_id,
        session_id: &session_id,
        bearer: &bearer,
        target: &target,
        fingerprint: FP,
    };
    let other_fp = FP.replace("00:11", "11:00");
    let variants: Vec<(&str, Claims)> = vec![
        ("good", claims.clone()),
        ("expired", Claims { iat: NOW - 200, exp: NOW - 80, ..claims.clone() }),
        ("not yet", Claims { iat: NOW + 60, exp: NOW + 180, ..claims.clone() }),
        ("another session", Claims { session_id: Some(id("s2")), ..claims.clone() }),
        ("another room", Claims { room_id: id("r2"), ..claims.clone() }),
        ("another target", Claims { target_peer_id: Some(id("p9")), ..claims.clone() }),
        ("another sender", Claims { sub: id("p9"), ..claims.clone() }),
        ("another fingerprint", Claims { cnf: Some(Confirmation { fp: other_fp }), ..claims.clone() }),
        ("another capability", Claims { caps: vec![Capability::Call], ..claims.clone() }),
        ("no target", Claims { target_peer_id: None, ..claims.clone() }),
        ("no session", Claims { session_id: None, ..claims.clone() }),
        ("no fingerprint", Claims { cnf: None, ..claims.clone() }),
        ("another issuer", Claims { iss: "mesh:sessions".into(), ..claims.clone() }),
        ("another audience", Claims { aud: "mesh:session".into(), ..claims.clone() }),
    ];
    let mut tokens: Vec<Value> = Vec::new();
    for (name, claims) in variants {
        let token = signer.sign(&claims).unwrap();
        let verdict = verifier.verify(&token, NOW).and_then(|claims| claims.check(&expected));
        assert_eq!(verdict.is_ok(), name == "good", "{name}: {verdict:?}");
        tokens.push(json!({ "name": name, "token": token, "ok": verdict.is_ok() }));
    }
    let other_key = CapabilitySigner::from_seed("k1", &[8; 32]).unwrap().sign(&claims).unwrap();
    assert!(verifier.verify(&other_key, NOW).is_err());
    tokens.push(json!({ "name": "another key", "token": other_key, "ok": false }));
    let value = json!({
        "now": NOW,
        "jwks": jwks,
        "expected": {
            "capability": "terminal:view", "room_id": "r1", "session_id": "s1", "bearer": "p2", "target": "p1",
            "fingerprint": FP,
        },
        "tokens": tokens,
    });
    golden("capability.json", &value);
}

#[test]
fn paths() {
    let long = "x".repeat(256);
    let deep = vec!["d"; 33].join("/");
    let names = [
        "a", "a/b.txt", "Ünïcödé/naïve café.pdf", ".config", "com", "com10", "..a", "日本語", "", "/etc/passwd", "..", "../x",
        "a/../b", "a//b", "a/", ".", "a\\b", "C:x", "a\u{0}b", "a\nb", "a\u{202e}b", "a.", "a ", "con", "CON.txt", "nul.tar.gz",
        "Com1", "lpt9.x", "a/prn/b", &long, &deep,
    ];
    let all: Vec<Value> =
        names.iter().map(|path| json!({ "path": path, "ok": SafePath::parse(path).is_ok() })).collect();
    golden("paths.json", &json!(all));
}

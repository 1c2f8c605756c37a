//! Messages of the WebSocket.

use mesh_protocol::capability::Feature;
use mesh_protocol::error_code::SignalCode;
use mesh_protocol::http::{ChatMessage, DeviceKind, Member, Role, RoomChange, RoomSettings};
use mesh_protocol::signal::*;
use serde_json::{Value, json};

use super::{golden, id};

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
    let answer = |reason| SessionAnswer {
        room_id: id("r1"),
        target: Some(id("p2")),
        session_id: id("s1"),
        reason,
        max_record: None,
    };
    let transfer = || TransferRequest {
        room_id: id("r1"),
        target: None,
        session_id: Some(id("s1")),
        cap_token: Some("a.b.c".into()),
        name: "notes.txt".into(),
        size: 5,
        count: 1,
        files: vec![OfferedFile {
            path: "notes.txt".into(),
            size: 5,
        }],
        share_id: None,
    };
    let folder = || TransferRequest {
        target: Some(id("p2")),
        name: "photos".into(),
        size: 0,
        count: 0,
        files: vec![],
        share_id: Some(id("h2")),
        ..transfer()
    };
    let notice = || ShareNotice {
        room_id: id("r1"),
        cap_token: Some("a.b.c".into()),
        share_id: id("h1"),
        label: "bash".into(),
    };
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
        M::PresenceSet(SetPresence {
            room_id: id("r1"),
            status: Status::Away,
            offers: vec![Feature::File],
        }),
        M::ChatMessageCreate(CreateMessage {
            room_id: id("r1"),
            client_id: id("c1"),
            text: "hé".into(),
        }),
        M::ChatTyping(Typing {
            room_id: id("r1"),
            typing: true,
        }),
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
        M::ShareFolderRequest(folder()),
        M::ShareFolderStarted(notice()),
        M::ShareFolderEnded(notice()),
        M::ShareAccept(SessionAnswer {
            max_record: Some(18_445),
            ..answer(none)
        }),
        M::ShareDecline(answer(Some(Reason::Declined))),
        M::ShareCancel(answer(Some(Reason::Taken))),
        M::ShareCompleted(answer(none)),
        M::TerminalShareStarted(notice()),
        M::TerminalShareEnded(notice()),
        M::TerminalShareRequest(request()),
        M::TerminalShareAccept(answer(none)),
        M::TerminalShareDecline(answer(Some(Reason::Timeout))),
        M::TerminalControlTake(request()),
        M::TerminalControlGrant(ControlGrant {
            room_id: id("r1"),
            target: id("p2"),
            session_id: id("s1"),
            epoch: 3,
        }),
        M::TerminalControlDeny(answer(Some(Reason::Declined))),
        M::TerminalControlRelease(request()),
        M::TerminalData(TerminalData {
            room_id: id("r1"),
            target: id("p2"),
            session_id: id("s1"),
            seq: 0,
            data: "AAAAAzIAAQ==".into(),
        }),
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
    let welcome = Welcome {
        peer_id: id("p1"),
        user_id: id("u1"),
        device_id: id("d1"),
        resume: "r".into(),
        protocol: 1,
        terminal_data: true,
    };
    let state = RoomState {
        room_id: id("r1"),
        name: "Home".into(),
        role: Role::Owner,
        members: vec![Member {
            user_id: id("u1"),
            name: "Alice".into(),
            role: Role::Owner,
        }],
        peers: vec![peer()],
        shares: vec![Share {
            share_id: id("h1"),
            feature: Feature::Terminal,
            peer_id: id("p1"),
            user_id: id("u1"),
            label: "bash".into(),
        }],
        last_seq: 7,
        settings: RoomSettings {
            locked: true,
            retention_days: Some(30),
            ..RoomSettings::default()
        },
        waiting: 2,
    };
    let in_room = || PeerInRoom {
        room_id: id("r1"),
        peer: peer(),
    };
    let error = SignalError {
        code: SignalCode::CapRequired,
        detail: "terminal:view".into(),
        reference: Some(id("m1")),
    };
    let chat = ChatMessage {
        room_id: id("r1"),
        seq: 7,
        user_id: id("u1"),
        name: "Alice".into(),
        device_id: id("d1"),
        client_id: id("c1"),
        text: "hé".into(),
        created_at: 1_700_000_000_123,
        mentions: vec![],
        edited_at: None,
        deleted_at: None,
    };
    let edited = ChatMessage {
        text: "@Alice hé".into(),
        mentions: vec![id("u1")],
        edited_at: Some(1_700_000_001_000),
        ..chat.clone()
    };
    vec![
        M::Welcome(welcome),
        M::Resync(Nothing {}),
        M::Drain(Nothing {}),
        M::RoomState(state),
        M::RoomJoined(in_room()),
        M::RoomLeft(PeerLeft {
            room_id: id("r1"),
            peer_id: id("p1"),
            user_id: id("u1"),
        }),
        M::PresenceChanged(in_room()),
        M::RoomChanged(RoomChange {
            room_id: id("r1"),
            name: "Home".into(),
            settings: RoomSettings::default(),
        }),
        M::MemberChanged(MemberChange {
            room_id: id("r1"),
            member: Member {
                user_id: id("u1"),
                name: "Alice".into(),
                role: Role::Guest,
            },
        }),
        M::MemberRemoved(MemberRemoved {
            room_id: id("r1"),
            user_id: id("u1"),
        }),
        M::LobbyChanged(LobbyChange {
            room_id: id("r1"),
            waiting: 1,
        }),
        M::RoomAdmitted(InRoom { room_id: id("r1") }),
        M::RoomRefused(InRoom { room_id: id("r1") }),
        M::Ack(Ack {
            reference: id("m1"),
            seq: Some(7),
        }),
        M::Error(error),
        M::CallMissed(CallMissed {
            room_id: id("r1"),
            session_id: id("s1"),
            user_id: id("u1"),
            name: "Alice".into(),
        }),
        M::CapRevoked(Revoked {
            session_id: id("s1"),
            jti: None,
            reason: "left the room".into(),
        }),
        M::ChatMessageCreated(chat),
        M::ChatMessageEdited(edited),
        M::ChatMessageDeleted(MessageDeleted {
            room_id: id("r1"),
            seq: 7,
        }),
    ]
}

#[test]
fn signal_messages() {
    let clients: Vec<Value> = client_messages()
        .into_iter()
        .map(|message| {
            let envelope = Envelope::named(id("m1"), message);
            let text = serde_json::to_string(&envelope).unwrap();
            assert_eq!(
                serde_json::from_str::<Envelope<ClientMessage>>(&text).unwrap(),
                envelope
            );
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
            assert_eq!(
                serde_json::from_str::<Envelope<ServerMessage>>(&text).unwrap(),
                envelope
            );
            serde_json::from_str(&text).unwrap()
        })
        .collect();
    golden("signal.json", &json!({ "client": clients, "server": servers }));
}

#[test]
fn the_seeds_own_names_are_taken() {
    let seed = r#"{"type":"chat.message.created","payload":{"room_id":"r1","client_id":"c1","text":"x"}}"#;
    let message = serde_json::from_str::<Envelope<ClientMessage>>(seed)
        .unwrap()
        .message;
    assert_eq!(message.kind(), ClientType::ChatMessageCreate);
    let seed = r#"{"type":"rtc.offer","payload":{"room_id":"r1","target_peer_id":"p2","session_id":"s1","sdp":"v=0"}}"#;
    let ClientMessage::RtcOffer(offer) = serde_json::from_str::<Envelope<ClientMessage>>(seed)
        .unwrap()
        .message
    else {
        panic!("not an offer");
    };
    assert_eq!(offer.target.as_str(), "p2");
}

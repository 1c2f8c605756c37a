//! The rules of `docs/protocol.md`, section 3: their order, answers, presence. The whole matrix is in `matrix.rs`.

use crate::common::{payload, stage};
use anyhow::Result;
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_testkit::{TestServer, eventually};
use serde_json::{Value, json};

const REQUESTS: [(&str, &str); 6] = [
    ("call.request", "call"),
    ("screen.share.request", "screen"),
    ("share.file.request", "share:file"),
    ("share.folder.request", "share:folder"),
    ("terminal.share.request", "terminal:view"),
    ("terminal.control.take", "terminal:control"),
];
const ANSWERS: [&str; 13] = [
    "call.accept",
    "call.decline",
    "call.end",
    "screen.share.accept",
    "screen.share.decline",
    "screen.share.stop",
    "share.accept",
    "share.decline",
    "share.cancel",
    "share.completed",
    "terminal.share.accept",
    "terminal.share.decline",
    "terminal.control.deny",
];

#[tokio::test]
async fn answers_are_for_the_parties_of_their_feature() -> Result<()> {
    let mut s = stage().await?;
    let second = s.bob.join(&s.room).await?;
    for (request, cap) in &REQUESTS[..5] {
        for answer in ANSWERS.iter().chain(["terminal.control.grant"].iter()) {
            let session = format!("{request}-{answer}").replace('.', "_");
            let ask = json!({"target_peer_id": s.b.peer_id, "session_id": session});
            let token = s.alice.cap(&s.room, &s.a.peer_id, &[cap], ask).await?;
            let open = payload(request, &s.room, Some(&s.b.peer_id), &session, Some(&token));
            assert_eq!(s.a.error_of(request, open).await?, None);
            let family = |kind: &str| match kind.split('.').next() {
                Some("share") => "transfer".to_owned(),
                first => first.unwrap_or_default().to_owned(),
            };
            let fits = family(request) == family(answer);
            let message = payload(answer, &s.room, Some(&s.a.peer_id), &session, None);
            let got = s.b.error_of(answer, message.clone()).await?;
            assert_eq!(got.is_none(), fits, "{answer} after {request}: {got:?}");
            // Another device of Bob's, and a session that never was.
            let mut stranger = message.clone();
            stranger["session_id"] = json!("unknown");
            assert_eq!(
                s.b.error_of(answer, stranger).await?.as_deref(),
                Some("CAP_REQUIRED")
            );
        }
    }
    drop(second);
    Ok(())
}

#[tokio::test]
async fn the_first_broken_rule_is_the_one_that_is_told() -> Result<()> {
    let mut s = stage().await?;
    let far: RoomId = "nowhere".parse()?;
    let b = s.b.peer_id.clone();
    let mut ladder = Vec::new();
    // Each message breaks the rule of its line and every rule below it, except for the last two, which cannot coincide.
    ladder.push(("[1]".to_owned(), "BAD_FRAME"));
    ladder.push((
        json!({"type": "TERM_OUT", "payload": {}}).to_string(),
        "UNKNOWN_TYPE",
    ));
    ladder.push((
        json!({"type": "rtc.offer", "payload": {}}).to_string(),
        "MISSING_ROOM_ID",
    ));
    ladder.push((
        json!({"type": "rtc.offer", "payload": {"room_id": far}}).to_string(),
        "ROOM_NOT_FOUND",
    ));
    ladder.push((
        json!({"type": "rtc.offer", "payload": {"room_id": s.room}}).to_string(),
        "BAD_PAYLOAD",
    ));
    let gone: PeerId = "gone".parse()?;
    let no_cap = payload("rtc.offer", &s.room, Some(&gone), "s", None);
    ladder.push((
        json!({"type": "rtc.offer", "payload": no_cap}).to_string(),
        "CAP_REQUIRED",
    ));
    let token = s.alice.cap(&s.room, &s.a.peer_id, &["call"], json!({})).await?;
    let mut unroutable = payload("rtc.offer", &s.room, Some(&gone), "s", Some(&token));
    unroutable["feature"] = json!("call");
    ladder.push((
        json!({"type": "rtc.offer", "payload": unroutable}).to_string(),
        "UNROUTABLE",
    ));
    for (frame, code) in ladder {
        s.a.send_text(frame.clone()).await?;
        let error = s.a.expect("error").await?;
        assert_eq!(error["payload"]["code"], code, "{frame}");
    }
    // A token that is good for one session and used in another.
    let mut first = payload("rtc.offer", &s.room, Some(&b), "s", Some(&token));
    first["feature"] = json!("call");
    assert_eq!(s.a.error_of("rtc.offer", first.clone()).await?, None);
    first["session_id"] = json!("s2");
    assert_eq!(
        s.a.error_of("rtc.offer", first).await?.as_deref(),
        Some("CAP_REPLAYED")
    );
    Ok(())
}

#[tokio::test]
async fn the_rate_is_the_last_rule_and_spares_the_socket() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let mut socket = alice.join(&room).await?;
    for _ in 0..300 {
        socket
            .send("chat.typing", json!({"room_id": room, "typing": true}))
            .await?;
    }
    let id = socket.send("call.request", json!({"room_id": room})).await?;
    let (mut limited, mut passed) = (0, 0);
    let code = loop {
        let message = socket
            .next()
            .await
            .map_err(|closed| anyhow::anyhow!("{closed:?}"))?;
        match (message["type"].as_str(), message["payload"]["code"].as_str()) {
            (Some("error"), code) if message["payload"]["ref"] == id.as_str() => {
                break code.map(str::to_owned);
            }
            (Some("error"), Some("RATE_LIMITED")) => limited += 1,
            (Some("chat.typing"), _) => passed += 1,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        code.as_deref(),
        Some("CAP_REQUIRED"),
        "an earlier rule is told even then"
    );
    assert!(
        (98..=160).contains(&passed) && limited + passed == 300,
        "{passed} passed, {limited} were limited"
    );
    Ok(())
}

#[tokio::test]
async fn outsiders_reach_nobody() -> Result<()> {
    let mut s = stage().await?;
    let token = s
        .alice
        .cap(&s.room, &s.a.peer_id, &["call", "rtc"], json!({}))
        .await?;
    for (kind, room, target) in [
        ("room.join", &s.room, None),
        ("chat.message.create", &s.room, None),
        ("presence.set", &s.room, None),
        ("call.request", &s.room, Some(&s.a.peer_id)),
        ("rtc.offer", &s.room, Some(&s.a.peer_id)),
        ("terminal.share.started", &s.other, None),
    ] {
        let mut message = payload(kind, room, target, "s", Some(&token));
        message["client_id"] = json!("c1");
        message["text"] = json!("hello");
        message["status"] = json!("online");
        assert_eq!(
            s.m.error_of(kind, message).await?.as_deref(),
            Some("ROOM_NOT_FOUND"),
            "{kind}"
        );
    }
    for kind in [
        "system.welcome",
        "system.drain",
        "room.state",
        "room.joined",
        "ack",
        "error",
        "cap.revoked",
        "TERM_OUT",
        "",
    ] {
        let message = json!({"room_id": s.room, "target": s.a.peer_id});
        assert_eq!(
            s.b.error_of(kind, message).await?.as_deref(),
            Some("UNKNOWN_TYPE"),
            "{kind}"
        );
    }
    assert_eq!(s.a.drain().await?, Vec::<Value>::new(), "nothing of it arrived");
    // The token of another: Bob shows Alice's.
    let stolen = payload("call.request", &s.room, Some(&s.a.peer_id), "s", Some(&token));
    assert_eq!(
        s.b.error_of("call.request", stolen).await?.as_deref(),
        Some("CAP_REQUIRED")
    );
    Ok(())
}

#[tokio::test]
async fn what_the_sender_writes_about_itself_is_not_believed() -> Result<()> {
    let mut s = stage().await?;
    let forged = json!({"type": "chat.typing", "id": "x", "from": "server", "to": s.c.peer_id, "timestamp": "1970",
        "payload": {"room_id": s.room, "typing": true}});
    s.b.send_text(forged.to_string()).await?;
    let relayed = s.a.expect("chat.typing").await?;
    assert_eq!(relayed["from"], s.b.peer_id.as_str());
    assert_eq!(relayed["to"], s.room.as_str());
    assert_ne!(relayed["id"], "x");
    assert!(
        relayed["timestamp"]
            .as_str()
            .is_some_and(|t| t.len() == 20 && t.ends_with('Z') && t.starts_with("20"))
    );
    assert!(s.c.drain().await?.is_empty());
    // A request with no session gets one, and an unbound token goes to nobody.
    let token = s.alice.cap(&s.room, &s.a.peer_id, &["call"], json!({})).await?;
    s.a.send("call.request", json!({"room_id": s.room, "cap_token": token}))
        .await?;
    let request = s.b.expect("call.request").await?;
    assert!(
        request["payload"]["session_id"]
            .as_str()
            .is_some_and(|id| !id.is_empty())
    );
    assert_eq!(request["payload"]["cap_token"], Value::Null);
    assert_eq!(
        s.a.expect("call.request").await?["payload"],
        request["payload"],
        "the room includes the sender"
    );
    Ok(())
}

#[tokio::test]
async fn a_shared_folder_is_announced_asked_for_by_its_id_and_taken_back() -> Result<()> {
    let mut s = stage().await?;
    let token = s
        .bob
        .cap(&s.room, &s.b.peer_id, &["share:folder"], json!({}))
        .await?;
    let share = json!({"room_id": s.room, "share_id": "f1", "label": "Photos", "cap_token": token});
    s.b.send("share.folder.started", share.clone()).await?;
    let started = s.a.expect("share.folder.started").await?;
    assert_eq!(
        started["payload"],
        json!({"room_id": s.room, "share_id": "f1", "label": "Photos"})
    );
    let mut late = s.alice.connect().await?;
    let state = late.join(&s.room).await?;
    assert_eq!(state["shares"][0]["feature"], "folder");
    let token = s
        .alice
        .cap(
            &s.room,
            &s.a.peer_id,
            &["share:folder"],
            json!({"target_peer_id": s.b.peer_id}),
        )
        .await?;
    let request = json!({"room_id": s.room, "target": s.b.peer_id, "session_id": "s1", "cap_token": token,
        "share_id": "f1", "name": "Photos", "size": 0, "count": 0});
    s.a.send("share.folder.request", request).await?;
    let asked = s.b.expect("share.folder.request").await?;
    assert_eq!(asked["payload"]["share_id"], "f1");
    assert!(asked["payload"]["cap_token"].is_string(), "the owner verifies it");
    s.b.send("share.folder.ended", share).await?;
    s.a.expect("share.folder.ended").await?;
    let mut later = s.alice.connect().await?;
    assert_eq!(later.join(&s.room).await?["shares"], json!([]));
    Ok(())
}

#[tokio::test]
async fn presence_follows_the_sockets() -> Result<()> {
    let mut s = stage().await?;
    let set = json!({"room_id": s.room, "status": "busy", "offers": ["terminal", "file", "terminal"]});
    s.b.send("presence.set", set).await?;
    let changed = s.a.expect("presence.changed").await?;
    assert_eq!(changed["payload"]["status"], "busy");
    assert_eq!(changed["payload"]["offers"], json!(["file", "terminal"]));
    let token = s
        .bob
        .cap(&s.room, &s.b.peer_id, &["terminal:view"], json!({}))
        .await?;
    let share = json!({"room_id": s.room, "share_id": "sh1", "label": "shell", "cap_token": token});
    s.b.send("terminal.share.started", share.clone()).await?;
    let started = s.a.expect("terminal.share.started").await?;
    assert_eq!(
        started["payload"],
        json!({"room_id": s.room, "share_id": "sh1", "label": "shell"})
    );
    let mut late = s.alice.connect().await?;
    let state = late.join(&s.room).await?;
    assert_eq!(state["shares"][0]["share_id"], "sh1");
    let card = state["peers"]
        .as_array()
        .and_then(|p| p.iter().find(|p| p["peer_id"] == s.b.peer_id.as_str()).cloned());
    assert_eq!(card.map(|card| card["status"].clone()), Some(json!("busy")));
    assert_eq!(
        s.b.error_of("terminal.share.ended", share).await?,
        None,
        "the same token ends it"
    );
    s.a.expect("terminal.share.ended").await?;
    let (gone, server) = (s.b.peer_id.to_string(), s.server);
    s.b.close().await?;
    let left = s.a.expect("room.left").await?;
    assert_eq!(left["payload"]["peer_id"], gone);
    eventually("the socket is forgotten", async || server.socket_count() == 4).await;
    Ok(())
}

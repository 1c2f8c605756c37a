//! Capabilities: who is given one, what it limits, and how revoking, leaving and removal end it.

use crate::common::{Stage, payload, stage};
use anyhow::Result;
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_testkit::TestClient;
use serde_json::{Value, json};

#[tokio::test]
async fn capabilities_go_to_whom_they_may() -> Result<()> {
    let s = stage().await?;
    let ask = async |client: &TestClient, room: &RoomId, peer: &PeerId, caps: &[&str], more: Value| {
        client
            .cap(room, peer, caps, more)
            .await
            .err()
            .map(|error| error.code)
    };
    let none = || json!({});
    assert_eq!(
        ask(&s.alice, &s.room, &s.a.peer_id, &["call"], none()).await,
        None
    );
    for (client, room, peer, caps, more, code) in [
        (&s.bob, &s.room, &s.a.peer_id, "call", none(), "CAP_NOT_ALLOWED"),
        (&s.bob, &s.other, &s.b.peer_id, "call", none(), "ROOM_NOT_FOUND"),
        (
            &s.alice,
            &"nowhere".parse()?,
            &s.a.peer_id,
            "call",
            none(),
            "ROOM_NOT_FOUND",
        ),
        (
            &s.alice,
            &s.room,
            &"gone".parse()?,
            "call",
            none(),
            "CAP_NOT_ALLOWED",
        ),
        (
            &s.alice,
            &s.room,
            &s.a.peer_id,
            "call",
            json!({"target_peer_id": s.c.peer_id}),
            "CAP_NOT_ALLOWED",
        ),
        (&s.alice, &s.room, &s.a.peer_id, "root", none(), "BAD_REQUEST"),
        (&s.alice, &s.room, &s.a.peer_id, "rtc", none(), "BAD_REQUEST"),
        (
            &s.alice,
            &s.room,
            &s.a.peer_id,
            "call",
            json!({"fingerprint": "sha-256 AB"}),
            "BAD_REQUEST",
        ),
    ] {
        assert_eq!(
            ask(client, room, peer, &[caps], more).await.as_deref(),
            Some(code),
            "{caps} {peer} {room}"
        );
    }
    // A guest asks for less, but may answer what it is asked.
    let carol = s.carol.user_id.clone();
    s.alice
        .put(
            &format!("/rooms/{}/members/{carol}", s.other),
            json!({"role": "guest"}),
        )
        .await?;
    for (cap, allowed) in [
        ("call", true),
        ("screen", true),
        ("share:file", true),
        ("share:folder", false),
        ("terminal:view", false),
        ("terminal:control", false),
    ] {
        assert_eq!(
            ask(&s.carol, &s.other, &s.c.peer_id, &[cap], none())
                .await
                .is_none(),
            allowed,
            "{cap}"
        );
    }
    let mut s = s;
    let token = s
        .alice
        .cap(
            &s.other,
            &s.a.peer_id,
            &["terminal:view"],
            json!({"target_peer_id": s.c.peer_id}),
        )
        .await?;
    let request = payload(
        "terminal.share.request",
        &s.other,
        Some(&s.c.peer_id),
        "t1",
        Some(&token),
    );
    assert_eq!(s.a.error_of("terminal.share.request", request).await?, None);
    let answer = json!({"target_peer_id": s.a.peer_id, "session_id": "t1"});
    assert_eq!(
        ask(
            &s.carol,
            &s.other,
            &s.c.peer_id,
            &["terminal:view"],
            answer.clone()
        )
        .await,
        None
    );
    let control = ask(&s.carol, &s.other, &s.c.peer_id, &["terminal:control"], answer).await;
    assert_eq!(control.as_deref(), Some("CAP_NOT_ALLOWED"));
    Ok(())
}

#[tokio::test]
async fn t5_a_capability_is_accepted_at_119_s_and_refused_at_126_s() -> Result<()> {
    let mut s = stage().await?;
    let token = s
        .alice
        .cap(
            &s.room,
            &s.a.peer_id,
            &["call"],
            json!({"target_peer_id": s.b.peer_id}),
        )
        .await?;
    let message = payload("call.request", &s.room, Some(&s.b.peer_id), "s", Some(&token));
    s.server.advance(std::time::Duration::from_secs(119));
    assert_eq!(s.a.error_of("call.request", message.clone()).await?, None);
    s.server.advance(std::time::Duration::from_secs(7));
    assert_eq!(
        s.a.error_of("call.request", message).await?.as_deref(),
        Some("CAP_EXPIRED"),
        "even a remembered one"
    );
    Ok(())
}

#[tokio::test]
async fn sizes_and_names_of_files_are_checked() -> Result<()> {
    let mut s = stage().await?;
    let ask = json!({"target_peer_id": s.b.peer_id, "max_size": 10, "session_id": "f"});
    let token = s.alice.cap(&s.room, &s.a.peer_id, &["share:file"], ask).await?;
    let good = payload(
        "share.file.request",
        &s.room,
        Some(&s.b.peer_id),
        "f",
        Some(&token),
    );
    assert_eq!(s.a.error_of("share.file.request", good.clone()).await?, None);
    let mut large = good.clone();
    large["size"] = json!(11);
    assert_eq!(
        s.a.error_of("share.file.request", large).await?.as_deref(),
        Some("CAP_REQUIRED")
    );
    for bad in [
        "../../.ssh/authorized_keys",
        "/etc/passwd",
        "a\\b",
        "CON",
        "a\u{202E}b",
    ] {
        let mut hostile = good.clone();
        hostile["files"][0]["path"] = json!(bad);
        assert_eq!(
            s.a.error_of("share.file.request", hostile).await?.as_deref(),
            Some("BAD_PAYLOAD"),
            "{bad}"
        );
    }
    Ok(())
}

/// Opens a terminal session of Bob's towards Alice and returns its id.
async fn open_terminal(s: &mut Stage, session: &str) -> Result<()> {
    let ask = json!({"target_peer_id": s.a.peer_id, "session_id": session});
    let token = s.bob.cap(&s.room, &s.b.peer_id, &["terminal:view"], ask).await?;
    let request = payload(
        "terminal.share.request",
        &s.room,
        Some(&s.a.peer_id),
        session,
        Some(&token),
    );
    assert_eq!(s.b.error_of("terminal.share.request", request).await?, None);
    s.a.expect("terminal.share.request").await?;
    Ok(())
}

#[tokio::test]
async fn revocation_reaches_both_ends_and_holds() -> Result<()> {
    let mut s = stage().await?;
    open_terminal(&mut s, "t1").await?;
    let refused = s
        .carol
        .post("/caps/revoke", json!({"session_id": "t1"}))
        .await
        .unwrap_err();
    assert_eq!(refused.code, "NOT_FOUND", "not a party, not a moderator");
    s.alice.post("/caps/revoke", json!({"session_id": "t1"})).await?;
    for socket in [&mut s.a, &mut s.b] {
        assert_eq!(socket.expect("cap.revoked").await?["payload"]["session_id"], "t1");
    }
    let ask = json!({"target_peer_id": s.a.peer_id, "session_id": "t1"});
    let again = s
        .bob
        .cap(&s.room, &s.b.peer_id, &["terminal:view"], ask)
        .await
        .unwrap_err();
    assert_eq!(again.code, "CAP_NOT_ALLOWED");

    // One token: whoever holds it loses it.
    let ask = json!({"target_peer_id": s.a.peer_id, "session_id": "t2"});
    let token = s.bob.cap(&s.room, &s.b.peer_id, &["call"], ask).await?;
    let request = payload("call.request", &s.room, Some(&s.a.peer_id), "t2", Some(&token));
    assert_eq!(s.b.error_of("call.request", request.clone()).await?, None);
    s.bob.post("/caps/revoke", json!({"jti": jti(&token)})).await?;
    assert_eq!(s.a.expect("cap.revoked").await?["payload"]["jti"], jti(&token));
    assert_eq!(
        s.b.error_of("call.request", request).await?.as_deref(),
        Some("CAP_REQUIRED")
    );
    Ok(())
}

fn jti(token: &str) -> String {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap_or_default();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    claims["jti"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn leaving_and_removal_end_what_was_open() -> Result<()> {
    let mut s = stage().await?;
    open_terminal(&mut s, "t1").await?;
    s.b.send("room.leave", json!({"room_id": s.room})).await?;
    assert_eq!(s.a.expect("cap.revoked").await?["payload"]["session_id"], "t1");
    assert_eq!(
        s.a.expect("room.left").await?["payload"]["peer_id"],
        s.b.peer_id.as_str()
    );
    s.b.join(&s.room).await?;
    open_terminal(&mut s, "t2").await?;
    s.alice
        .delete(&format!("/rooms/{}/members/{}", s.room, s.bob.user_id))
        .await?;
    assert_eq!(s.a.expect("cap.revoked").await?["payload"]["reason"], "removed");
    assert_eq!(s.b.expect("cap.revoked").await?["payload"]["session_id"], "t2");
    assert_eq!(
        s.b.expect("room.left").await?["payload"]["peer_id"],
        s.b.peer_id.as_str()
    );
    let typing = json!({"room_id": s.room, "typing": true});
    assert_eq!(
        s.b.error_of("chat.typing", typing).await?.as_deref(),
        Some("ROOM_NOT_FOUND")
    );
    assert_eq!(
        s.b.error_of("room.join", json!({"room_id": s.room}))
            .await?
            .as_deref(),
        Some("ROOM_NOT_FOUND")
    );
    Ok(())
}

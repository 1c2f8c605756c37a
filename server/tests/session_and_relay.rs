//! The first path through everything: sign in, meet in a room, ask for a capability, be introduced.

use anyhow::Result;
use mesh_testkit::{Socket, TestClient, TestServer};
use serde_json::json;

#[tokio::test]
async fn two_people_are_introduced() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let mut host = alice.join(&room).await?;
    let mut viewer = bob.connect_by_ticket().await?;
    let state = viewer.join(&room).await?;
    assert_eq!(state["peers"].as_array().map(Vec::len), Some(2));
    assert_eq!(state["members"].as_array().map(Vec::len), Some(2));
    let joined = host
        .expect_where("bob", |m| m["payload"]["name"] == "bob")
        .await?;
    assert_eq!(joined["type"], "room.joined");

    let ask = json!({"target_peer_id": host.peer_id, "session_id": "s1"});
    let token = bob.cap(&room, &viewer.peer_id, &["terminal:view"], ask).await?;
    let request = json!({"room_id": room, "target": host.peer_id, "session_id": "s1", "cap_token": token});
    viewer.send("terminal.share.request", request.clone()).await?;
    let relayed = host.expect("terminal.share.request").await?;
    assert_eq!(relayed["from"], viewer.peer_id.as_str());
    assert_eq!(relayed["to"], host.peer_id.as_str());
    assert_eq!(
        relayed["payload"], request,
        "a token bound to the receiver is passed on"
    );

    let ask = json!({"target_peer_id": viewer.peer_id, "session_id": "s1"});
    let token = alice.cap(&room, &host.peer_id, &["terminal:view"], ask).await?;
    host.send(
        "terminal.share.accept",
        json!({"room_id": room, "target": viewer.peer_id, "session_id": "s1"}),
    )
    .await?;
    viewer.expect("terminal.share.accept").await?;
    let answer = json!({"room_id": room, "target": viewer.peer_id, "session_id": "s1", "feature": "terminal",
        "cap_token": token, "sdp": "v=0"});
    host.send("rtc.answer", answer.clone()).await?;
    assert_eq!(viewer.expect("rtc.answer").await?["payload"], answer);
    server.drain().await;
    Ok(())
}

/// The calls and messages of the seed's server, as its clients send them. What differs is in `docs/protocol.md`, section 6: here
/// the invitation, and that `rtc` is asked for beside the feature.
#[tokio::test]
async fn t17_the_seeds_own_message_flow_passes() -> Result<()> {
    let server = TestServer::builder()
        .config(|config| {
            config.dev_login = true;
            config.allow_query_token = true;
        })
        .start()
        .await?;
    let (mut alice, mut bob) = (server.stranger(), server.stranger());
    assert_eq!(alice.get("/health").await?["ok"], true);
    alice.login("alice", "anything").await?;
    bob.login("bob", "anything").await?;
    let room = server.room(&alice, &[&bob]).await?;
    assert_eq!(
        bob.post(&format!("/rooms/{room}/join"), json!({})).await?["ok"],
        true
    );
    let open = async |who: &TestClient| {
        let query = format!("?token={}", who.token);
        Socket::open(&server.url(), &query, None).await?.welcomed().await
    };
    let (mut a, mut b) = (open(&alice).await?, open(&bob).await?);
    let mut passed = 0;
    for socket in [&mut a, &mut b] {
        socket.send("room.join", json!({"room_id": room})).await?;
        let joined = socket.expect("room.joined").await?;
        assert_eq!(joined["payload"]["room_id"], room.as_str());
        passed += 1;
    }
    let said = json!({"room_id": room, "client_id": "c1", "text": "hello"});
    a.send("chat.message.created", said).await?;
    assert_eq!(
        b.expect("chat.message.created").await?["payload"]["text"],
        "hello"
    );
    passed += 1;
    for (kind, cap) in [
        ("call.request", "call"),
        ("screen.share.request", "screen"),
        ("share.file.request", "share:file"),
        ("share.folder.request", "share:folder"),
        ("terminal.share.request", "terminal:view"),
        ("terminal.control.take", "terminal:control"),
        ("terminal.control.release", "terminal:control"),
    ] {
        let session = kind.replace('.', "-");
        let ask = json!({"target_peer_id": b.peer_id, "max_size": null});
        let token = alice.cap(&room, &a.peer_id, &[cap, "rtc"], ask).await?;
        let mut kinds = vec![kind];
        if kind.ends_with("request") {
            kinds.extend(["rtc.offer", "rtc.answer", "rtc.ice"]);
        }
        for kind in kinds {
            let mut message = crate::common::payload(kind, &room, None, &session, Some(&token));
            message["target_peer_id"] = json!(b.peer_id);
            a.send(kind, message).await?;
            let relayed = b.expect(kind).await?;
            assert_eq!(
                (&relayed["from"], &relayed["to"]),
                (&json!(a.peer_id), &json!(b.peer_id))
            );
            assert_eq!(
                relayed["payload"]["target_peer_id"],
                b.peer_id.as_str(),
                "as it was sent"
            );
            passed += 1;
        }
    }
    for (kind, code) in [("call.request", "CAP_REQUIRED"), ("rtc.offer", "CAP_REQUIRED")] {
        let mut message = crate::common::payload(kind, &room, None, "none", None);
        message["target_peer_id"] = json!(b.peer_id);
        assert_eq!(a.error_of(kind, message).await?.as_deref(), Some(code));
    }
    let nowhere = json!({"room_id": "nowhere"});
    assert_eq!(
        a.error_of("room.join", nowhere).await?.as_deref(),
        Some("ROOM_NOT_FOUND")
    );
    assert_eq!(
        a.error_of("call.request", json!({})).await?.as_deref(),
        Some("MISSING_ROOM_ID")
    );
    println!("t17: {passed} messages of the seed passed");
    Ok(())
}

#[tokio::test]
async fn the_setup_link_makes_one_account_once() -> Result<()> {
    let server = TestServer::start().await?;
    let old = server
        .setup_link()
        .expect("a link before the first account")
        .to_owned();
    let server = server.restart().await?;
    let link = server.setup_link().expect("a link until it was used").to_owned();
    assert!(
        link.starts_with(&format!("{}/setup#token=", server.url())),
        "{link}"
    );
    let token = |link: &str| {
        link.split_once("#token=")
            .map(|(_, token)| token.to_owned())
            .unwrap_or_default()
    };
    let setup = |token: String, name: &str| json!({"setup_token": token, "username": name, "password": "long enough"});
    let mut first = server.stranger();
    let refused = first
        .post("/auth/setup", setup(token(&old), "mallory"))
        .await
        .unwrap_err();
    assert_eq!(refused.code, "LINK_INVALID", "each start has its own link");
    let session = first.post("/auth/setup", setup(token(&link), "alice")).await?;
    first.adopt(&session);
    assert_eq!(first.get("/me").await?["admin"], true);
    assert_eq!(first.get("/rooms").await?["rooms"][0]["name"], "Home");
    let again = server
        .stranger()
        .post("/auth/setup", setup(token(&link), "bob"))
        .await
        .unwrap_err();
    assert_eq!((again.status, again.code.as_str()), (409, "SETUP_DONE"));
    assert_eq!(server.restart().await?.setup_link(), None);
    Ok(())
}

#[tokio::test]
async fn a_sign_in_link_works_once_and_for_ten_minutes() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let link = alice.post("/auth/links", json!({})).await?;
    let use_link = async |token: &serde_json::Value| {
        server
            .stranger()
            .post("/auth/link", json!({"token": token}))
            .await
    };
    let mut phone = TestClient::new(server.url());
    phone.adopt(&use_link(&link["token"]).await?);
    assert_eq!(phone.get("/me").await?["name"], "alice");
    assert_eq!(use_link(&link["token"]).await.unwrap_err().code, "LINK_INVALID");
    let late = alice.post("/auth/links", json!({})).await?;
    server.advance(std::time::Duration::from_secs(601));
    assert_eq!(use_link(&late["token"]).await.unwrap_err().code, "LINK_INVALID");
    Ok(())
}

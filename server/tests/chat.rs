//! Chat: stored before it is acknowledged, once for each `client_id`, in order, and readable afterwards.

use anyhow::Result;
use mesh_testkit::TestServer;
use serde_json::json;

#[tokio::test]
async fn a_message_is_stored_once_and_acknowledged_each_time() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let (mut a, mut b) = (alice.join(&room).await?, bob.join(&room).await?);
    let message = json!({"room_id": room, "client_id": "c1", "text": "hello"});
    for kind in [
        "chat.message.create",
        "chat.message.created",
        "chat.message.create",
    ] {
        let id = a.send(kind, message.clone()).await?;
        let ack = a.expect("ack").await?;
        assert_eq!(ack["payload"], json!({"ref": id, "seq": 1}));
        let history = bob.get(&format!("/rooms/{room}/messages")).await?;
        assert_eq!(
            history["messages"].as_array().map(Vec::len),
            Some(1),
            "what is acknowledged can be read"
        );
    }
    let shown = b.expect("chat.message.created").await?;
    assert_eq!(shown["from"], "server");
    assert_eq!(shown["payload"]["text"], "hello");
    assert_eq!(shown["payload"]["device_id"], alice.device_id);
    assert!(
        b.drain()
            .await?
            .iter()
            .all(|m| m["type"] != "chat.message.created"),
        "shown once"
    );
    // Without an id of the message, the ack names the client_id.
    let text =
        json!({"type": "chat.message.create", "payload": {"room_id": room, "client_id": "c2", "text": "x"}});
    a.send_text(text.to_string()).await?;
    assert_eq!(a.expect("ack").await?["payload"], json!({"ref": "c2", "seq": 2}));
    Ok(())
}

#[tokio::test]
async fn a_room_sees_messages_in_the_order_of_their_numbers() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let (mut a, mut b) = (alice.join(&room).await?, bob.join(&room).await?);
    for n in 0..40 {
        a.send(
            "chat.message.create",
            json!({"room_id": room, "client_id": format!("a{n}"), "text": "a"}),
        )
        .await?;
        b.send(
            "chat.message.create",
            json!({"room_id": room, "client_id": format!("b{n}"), "text": "b"}),
        )
        .await?;
    }
    for expected in 1..=80_u64 {
        assert_eq!(
            a.expect("chat.message.created").await?["payload"]["seq"],
            expected
        );
    }
    let server = server.restart().await?;
    let again = server.sign_in("bob").await?;
    let page = again
        .get(&format!("/rooms/{room}/messages?before=21&limit=10"))
        .await?;
    let seqs: Vec<_> = page["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|m| m["seq"].as_u64())
        .collect();
    assert_eq!(seqs, (11..=20).collect::<Vec<_>>(), "and after a restart");
    assert_eq!(
        again
            .get(&format!("/rooms/{room}/messages?limit=101"))
            .await
            .unwrap_err()
            .code,
        "BAD_REQUEST"
    );
    Ok(())
}

#[tokio::test]
async fn only_what_fits_is_stored() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let (room, other) = (alice.create_room("One").await?, alice.create_room("Two").await?);
    let mut socket = alice.join(&room).await?;
    socket.join(&other).await?;
    let send = |text: &str| json!({"room_id": room, "client_id": "c", "text": text});
    assert_eq!(
        socket.error_of("chat.message.create", send("")).await?.as_deref(),
        Some("BAD_PAYLOAD")
    );
    assert_eq!(
        socket
            .error_of("chat.message.create", send(&"ä".repeat(8_001)))
            .await?
            .as_deref(),
        Some("BAD_PAYLOAD")
    );
    socket
        .send("chat.message.create", send(&"ä".repeat(8_000)))
        .await?;
    socket.expect("ack").await?;
    let elsewhere = json!({"room_id": other, "client_id": "c", "text": "x"});
    let id = socket.send("chat.message.create", elsewhere).await?;
    let refused = socket.expect("error").await?;
    assert_eq!(
        (
            refused["payload"]["ref"].as_str(),
            refused["payload"]["code"].as_str()
        ),
        (Some(&*id), Some("BAD_PAYLOAD"))
    );
    Ok(())
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_never_acknowledged() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let mut socket = alice.join(&room).await?;
    server.store().close().await;
    let message = json!({"room_id": room, "client_id": "c", "text": "x"});
    let id = socket.send("chat.message.create", message).await?;
    let error = socket
        .expect_where("an answer", |m| m["payload"]["ref"] == id.as_str())
        .await?;
    assert_eq!(
        (error["type"].as_str(), error["payload"]["code"].as_str()),
        (Some("error"), Some("STORE_UNAVAILABLE"))
    );
    assert_eq!(alice.get("/rooms").await.unwrap_err().code, "STORE_UNAVAILABLE");
    assert_eq!(server.stranger().get("/health").await.unwrap_err().status, 503);
    Ok(())
}

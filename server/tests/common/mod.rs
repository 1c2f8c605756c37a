//! The stage on which the tests of the relay play, and the messages they send.

pub mod process;

use anyhow::{Context as _, Result};
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_testkit::{Socket, TestClient, TestServer};
use serde_json::{Value, json};

/// Two rooms: Alice and Bob are in `room`, Alice and Carol in `other`; Mallory has an account and no room.
pub struct Stage {
    pub server: TestServer,
    pub alice: TestClient,
    pub bob: TestClient,
    pub room: RoomId,
    pub other: RoomId,
    /// Alice's socket, in both rooms.
    pub a: Socket,
    /// Bob's, in `room`.
    pub b: Socket,
    /// Carol's, in `other`.
    pub c: Socket,
    /// Mallory's, in none.
    pub m: Socket,
    pub carol: TestClient,
}

pub async fn stage() -> Result<Stage> {
    let server = TestServer::builder()
        .config(|config| {
            // The matrix sends more than a person would; the rate has tests of its own.
            config.limits.frames_per_second = 100_000;
            config.limits.frame_burst = 100_000;
        })
        .start()
        .await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let (carol, mallory) = (server.client("carol").await?, server.client("mallory").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let other = server.room(&alice, &[&carol]).await?;
    let mut a = alice.join(&room).await?;
    a.join(&other).await?;
    let (b, c) = (bob.join(&room).await?, carol.join(&other).await?);
    let m = mallory.connect().await?;
    a.drain().await?;
    Ok(Stage {
        server,
        alice,
        bob,
        room,
        other,
        a,
        b,
        c,
        m,
        carol,
    })
}

/// Writes a message, whose first word is its id; its `seq`, or the code of the refusal.
pub async fn say(socket: &mut Socket, room: &RoomId, text: &str) -> Result<Result<u64, String>> {
    let client_id = text.split(' ').next();
    let message = json!({"room_id": room, "client_id": client_id, "text": text});
    let id = socket.send("chat.message.create", message).await?;
    let answer = socket
        .expect_where("an answer", |m| m["payload"]["ref"] == id.as_str())
        .await?;
    Ok(match answer["payload"]["seq"].as_u64() {
        Some(seq) => Ok(seq),
        None => Err(answer["payload"]["code"].as_str().context("a code")?.to_owned()),
    })
}

pub async fn texts(client: &TestClient, room: &RoomId) -> Result<Vec<Value>> {
    let page = client.get(&format!("/rooms/{room}/messages")).await?;
    let messages = page["messages"].as_array().context("messages")?;
    Ok(messages.iter().map(|message| message["text"].clone()).collect())
}

pub fn payload(
    kind: &str,
    room: &RoomId,
    target: Option<&PeerId>,
    session: &str,
    token: Option<&str>,
) -> Value {
    let mut payload = json!({"room_id": room, "session_id": session});
    if let Some(target) = target {
        payload["target"] = json!(target);
    }
    if let Some(token) = token {
        payload["cap_token"] = json!(token);
    }
    if kind.starts_with("share.") && kind.ends_with("request") {
        payload["name"] = json!("notes.txt");
        payload["size"] = json!(10);
        payload["count"] = json!(1);
        payload["files"] = json!([{"path": "notes.txt", "size": 10}]);
    }
    match kind {
        "rtc.offer" | "rtc.answer" => payload["sdp"] = json!("v=0"),
        "rtc.ice" => payload["candidate"] = Value::Null,
        "terminal.share.started" | "terminal.share.ended" | "share.folder.started" | "share.folder.ended" => {
            payload["share_id"] = json!(format!("share-{session}"));
            payload["label"] = json!("shell");
        }
        "terminal.control.grant" => payload["epoch"] = json!(1),
        _ => {}
    }
    payload
}

//! Terminals that pass through the server: only where its operator allows it, and only between the parties of their session.

use anyhow::Result;
use mesh_testkit::{Socket, TestServer};
use serde_json::{Value, json};

/// A piece of session "s".
fn piece(room: &str, target: &str, seq: u64) -> Value {
    json!({"room_id": room, "target": target, "session_id": "s", "seq": seq, "data": "AAAAAQE="})
}

async fn server(allowed: bool) -> Result<TestServer> {
    let builder = TestServer::builder().config(|config| config.terminal_fallback = allowed);
    builder.start().await
}

#[tokio::test]
async fn a_server_passes_no_terminal_on_unless_it_is_told_to() -> Result<()> {
    for allowed in [false, true] {
        let server = server(allowed).await?;
        let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
        let room = server.room(&alice, &[&bob]).await?;
        let ticket = alice.post("/ws/ticket", json!({})).await?;
        let query = format!("?token={}", ticket["ticket"].as_str().unwrap_or_default());
        let mut raw = Socket::open(&server.url(), &query, None).await?;
        let welcome = raw.next().await.map_err(|closed| anyhow::anyhow!("{closed:?}"))?;
        assert_eq!(
            welcome["payload"].get("terminal_data"),
            allowed.then_some(&json!(true))
        );
        let (mut a, b) = (alice.join(&room).await?, bob.join(&room).await?);
        let expected = if allowed { "CAP_REQUIRED" } else { "UNKNOWN_TYPE" };
        let message = piece(room.as_str(), b.peer_id.as_str(), 0);
        assert_eq!(
            a.error_of("terminal.data", message).await?.as_deref(),
            Some(expected)
        );
    }
    Ok(())
}

#[tokio::test]
async fn pieces_pass_between_the_parties_of_a_terminal_and_nobody_else() -> Result<()> {
    let server = server(true).await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let mallory = server.client("mallory").await?;
    let room = server.room(&alice, &[&bob, &mallory]).await?;
    let (mut host, mut viewer) = (alice.join(&room).await?, bob.join(&room).await?);
    let mut third = mallory.join(&room).await?;
    for kind in ["call.request", "terminal.share.request"] {
        let cap = if kind == "call.request" {
            "call"
        } else {
            "terminal:view"
        };
        let session = if kind == "call.request" { "c" } else { "s" };
        let ask = json!({"target_peer_id": host.peer_id, "session_id": session});
        let token = bob.cap(&room, &viewer.peer_id, &[cap], ask).await?;
        let request =
            json!({"room_id": room, "target": host.peer_id, "session_id": session, "cap_token": token});
        viewer.send(kind, request).await?;
        host.expect(kind).await?;
    }
    for seq in 0..3 {
        viewer
            .send("terminal.data", piece(room.as_str(), host.peer_id.as_str(), seq))
            .await?;
        let got = host.expect("terminal.data").await?;
        assert_eq!(got["from"], viewer.peer_id.as_str());
        assert_eq!(got["payload"], piece(room.as_str(), host.peer_id.as_str(), seq));
        host.send(
            "terminal.data",
            piece(room.as_str(), viewer.peer_id.as_str(), seq),
        )
        .await?;
        viewer.expect("terminal.data").await?;
    }
    let host_id = host.peer_id.clone();
    let to_host = |session: &str| {
        let mut message = piece(room.as_str(), host_id.as_str(), 0);
        message["session_id"] = json!(session);
        message
    };
    // A session of another feature, of other people, and without a target.
    let refused = [
        (
            viewer.error_of("terminal.data", to_host("c")).await?,
            "CAP_REQUIRED",
        ),
        (
            third.error_of("terminal.data", to_host("s")).await?,
            "CAP_REQUIRED",
        ),
    ];
    for (got, expected) in refused {
        assert_eq!(got.as_deref(), Some(expected));
    }
    let mut aimless = to_host("s");
    aimless["target"] = Value::Null;
    assert_eq!(
        viewer.error_of("terminal.data", aimless).await?.as_deref(),
        Some("BAD_PAYLOAD")
    );
    // After its end nothing passes, but what crosses it.
    server.advance(std::time::Duration::from_secs(1));
    host.send(
        "terminal.share.decline",
        json!({"room_id": room, "target": viewer.peer_id, "session_id": "s"}),
    )
    .await?;
    viewer.expect("terminal.share.decline").await?;
    server.advance(std::time::Duration::from_secs(61));
    assert_eq!(
        viewer.error_of("terminal.data", to_host("s")).await?.as_deref(),
        Some("CAP_REQUIRED")
    );
    Ok(())
}

//! What a socket may do to the server and to others: bounds, endings, tickets, origins.

use std::time::{Duration, Instant};

use anyhow::Result;
use mesh_testkit::{Closed, Socket, TestServer, eventually};
use serde_json::json;
use tungstenite::Message;

#[tokio::test]
async fn an_upgrade_without_a_session_is_401() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let refused = async |query: &str, bearer: Option<&str>| {
        Socket::open(&server.url(), query, bearer)
            .await
            .err()
            .map(|error| error.to_string())
    };
    let no = Some("the upgrade was refused: 401".to_owned());
    assert_eq!(refused("", None).await, no);
    assert_eq!(refused("?token=nonsense", None).await, no);
    assert_eq!(refused("", Some("nonsense")).await, no);
    assert_eq!(
        refused(&format!("?token={}", alice.token), None).await,
        no,
        "a session in the URL is off by default"
    );
    let open = TestServer::builder()
        .config(|config| config.allow_query_token = true)
        .start()
        .await?;
    let bob = open.client("bob").await?;
    Socket::open(&open.url(), &format!("?token={}", bob.token), None)
        .await?
        .welcomed()
        .await?;
    Ok(())
}

#[tokio::test]
async fn t6_a_ticket_used_twice_or_after_31_s_opens_nothing() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let ticket = async || -> Result<String> {
        let answer = alice.post("/ws/ticket", json!({})).await?;
        Ok(format!(
            "?token={}",
            answer["ticket"].as_str().unwrap_or_default()
        ))
    };
    let (mut refused, mut opened) = (0, 0);
    let mut tally = |outcome: Result<Socket>| match outcome {
        Ok(_) => opened += 1,
        Err(_) => refused += 1,
    };
    for _ in 0..500 {
        let once = ticket().await?;
        Socket::open(&server.url(), &once, None).await?.welcomed().await?;
        tally(Socket::open(&server.url(), &once, None).await);
    }
    let mut late = Vec::new();
    for _ in 0..500 {
        late.push(ticket().await?);
    }
    server.advance(Duration::from_secs(31));
    for ticket in late {
        tally(Socket::open(&server.url(), &ticket, None).await);
    }
    println!(
        "{opened} of {} tickets opened a socket a second time or too late",
        opened + refused
    );
    assert_eq!((opened, refused), (0, 1_000));
    let orphan = ticket().await?;
    alice.post("/auth/logout", json!({})).await?;
    assert!(
        Socket::open(&server.url(), &orphan, None).await.is_err(),
        "the session of the ticket has ended"
    );
    Ok(())
}

#[tokio::test]
async fn t23_foreign_pages_open_no_socket() -> Result<()> {
    let server = TestServer::builder()
        .config(|c| c.allowed_origins = vec!["https://mesh.example.com".into()])
        .start()
        .await?;
    let alice = server.client("alice").await?;
    let own = server.url();
    let evil_port = format!("{own}1");
    for (origin, allowed) in [
        (own.as_str(), true),
        ("https://mesh.example.com", true),
        ("https://mesh.example.com.evil.example", false),
        ("https://evil.example", false),
        (evil_port.as_str(), false),
        ("null", false),
        ("", false),
    ] {
        let opened = Socket::open_with(&server.url(), "", Some(&alice.token), &[("origin", origin)]).await;
        assert_eq!(opened.is_ok(), allowed, "{origin}");
    }
    Ok(())
}

#[tokio::test]
async fn bad_frames_are_told_and_ten_close_the_socket() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let mut other = alice.join(&room).await?;
    let mut socket = alice.join(&room).await?;
    let frames = [
        "{",
        "[]",
        "\"x\"",
        "{\"type\":7}",
        "{\"type\":\"room.join\",\"payload\":[]}",
        "nonsense",
        "null",
    ];
    for frame in frames {
        socket.send_text(frame).await?;
        assert_eq!(
            socket.expect("error").await?["payload"]["code"],
            "BAD_FRAME",
            "{frame}"
        );
    }
    socket.send_frame(Message::binary(vec![1, 2, 3])).await?;
    assert_eq!(socket.expect("error").await?["payload"]["code"], "BAD_FRAME");
    assert_eq!(
        socket
            .error_of("chat.typing", json!({"room_id": room, "typing": true}))
            .await?,
        None,
        "it lives"
    );
    let bad_payload = json!({"room_id": room, "typing": "yes"});
    assert_eq!(
        socket.error_of("chat.typing", bad_payload).await?.as_deref(),
        Some("BAD_PAYLOAD")
    );
    socket.send_text("{").await?;
    assert_eq!(socket.closed().await, Closed(Some(4429)));
    assert_eq!(
        other
            .error_of("chat.typing", json!({"room_id": room, "typing": true}))
            .await?,
        None,
        "others live on"
    );
    Ok(())
}

#[tokio::test]
async fn a_frame_over_64_kib_closes_with_1009() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let mut socket = alice.connect().await?;
    let frame = |size: usize| {
        let head = "{\"type\":\"x\",\"payload\":{\"a\":\"";
        format!("{head}{}\"}}}}", "x".repeat(size - head.len() - 3))
    };
    socket.send_text(frame(64 * 1024)).await?;
    assert_eq!(
        socket.expect("error").await?["payload"]["code"],
        "UNKNOWN_TYPE",
        "exactly 64 KiB passes"
    );
    socket.send_text(frame(64 * 1024 + 1)).await?;
    assert_eq!(socket.closed().await, Closed(Some(1009)));
    // Far too large, and unread for the most part: the code arrives all the same.
    let mut socket = alice.connect().await?;
    socket.send_text("x".repeat(8 * 1024 * 1024)).await?;
    assert_eq!(socket.closed().await, Closed(Some(1009)));
    Ok(())
}

#[tokio::test]
async fn a_user_has_twenty_sockets() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(alice.connect().await?);
    }
    let mut extra = Socket::open(&server.url(), "", Some(&alice.token)).await?;
    assert_eq!(extra.closed().await, Closed(Some(4429)));
    bob.connect().await?;
    drop(open.pop());
    eventually("a place is free", async || alice.connect().await.is_ok()).await;
    Ok(())
}

#[tokio::test]
async fn a_drain_tells_everyone_and_is_quick() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let mut socket = alice.join(&room).await?;
    let reader = tokio::spawn(async move {
        let drained = socket.expect("system.drain").await.is_ok();
        (drained, socket.closed().await)
    });
    let begun = Instant::now();
    server.drain().await;
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert_eq!(reader.await?, (true, Closed(Some(1012))));
    Ok(())
}

#[tokio::test]
async fn a_resume_is_answered_by_a_resync() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let socket = Socket::open(&server.url(), "?resume=anything&seq=3", Some(&alice.token)).await?;
    let mut socket = socket.welcomed().await?;
    assert_eq!(socket.welcome["protocol"], 1);
    assert_eq!(
        socket.next().await.map_err(|c| anyhow::anyhow!("{c:?}"))?["type"],
        "system.resync"
    );
    Ok(())
}

#[tokio::test]
async fn what_passes_the_listener_is_counted() -> Result<()> {
    let server = TestServer::start().await?;
    assert_eq!(server.traffic(), mesh_server::Traffic::default());
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let mut socket = alice.join(&room).await?;
    let before = server.traffic();
    socket
        .send(
            "chat.typing",
            json!({"room_id": room, "typing": true, "filler": "x".repeat(10_000)}),
        )
        .await?;
    socket.expect("chat.typing").await?;
    let after = server.traffic();
    assert!(
        (10_000..11_000).contains(&(after.read - before.read)),
        "{before:?} {after:?}"
    );
    assert!(
        (10_000..11_000).contains(&(after.written - before.written)),
        "{before:?} {after:?}"
    );
    Ok(())
}

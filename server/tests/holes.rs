//! Test 12 of the list in `SECURITY.md`: what the seed's server let pass, tried again in its order.

use std::collections::BTreeSet;

use crate::common::{Stage, payload, stage};
use anyhow::Result;
use mesh_testkit::{Closed, Socket, TestServer, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tungstenite::Message;

/// The holes that are open, by the number that they have there.
#[derive(Default)]
struct Open(BTreeSet<u8>);

impl Open {
    fn unless(&mut self, number: u8, closed: bool) {
        if !closed {
            self.0.insert(number);
        }
    }
}

async fn code(socket: &mut Socket, kind: &str, payload: Value) -> Result<String> {
    Ok(socket.error_of(kind, payload).await?.unwrap_or_default())
}

#[tokio::test]
async fn t12_the_holes_of_the_seed_are_closed() -> Result<()> {
    let mut open = Open::default();
    doors(&mut open).await?;
    relay(&mut open).await?;
    sockets(&mut open).await?;
    println!(
        "24 holes of the seed's server tried: {} open {:?}",
        open.0.len(),
        open.0
    );
    assert!(open.0.is_empty());
    Ok(())
}

/// 1 to 9, 22: who gets in.
async fn doors(open: &mut Open) -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[]).await?;
    let mut nobody = server.stranger();
    let wrong = nobody.login("alice", "any password at all").await;
    open.unless(1, wrong.is_err_and(|error| error.status == 401));

    let join = format!("/rooms/{room}/join");
    let caps = json!({"room_id": room, "peer_id": "p", "caps": ["call"]});
    for (path, body) in [
        ("/rooms", json!({"name": "R"})),
        (&*join, json!({})),
        ("/caps", caps),
    ] {
        let answer = nobody.post(path, body).await;
        open.unless(2, answer.is_err_and(|error| error.status == 401));
    }

    let mut b = bob.connect().await?;
    let uninvited = bob.post(&join, json!({})).await;
    open.unless(3, uninvited.is_err_and(|error| error.status == 404));
    open.unless(
        3,
        code(&mut b, "room.join", json!({"room_id": room})).await? == "ROOM_NOT_FOUND",
    );

    let mut a = alice.join(&room).await?;
    let members = server.room(&alice, &[&bob]).await?;
    b.join(&members).await?;
    let of_another = bob.cap(&members, &a.peer_id, &["call"], json!({})).await;
    open.unless(4, of_another.is_err_and(|error| error.status == 403));
    let of_no_name = bob.cap(&members, &b.peer_id, &["root"], json!({})).await;
    open.unless(4, of_no_name.is_err_and(|error| error.status == 400));

    let token = alice.cap(&room, &a.peer_id, &["call"], json!({})).await?;
    let query = format!("?token={token}");
    for (query, bearer) in [(&*query, None), ("", Some(&*token))] {
        open.unless(5, Socket::open(&server.url(), query, bearer).await.is_err());
    }

    let header = jsonwebtoken::decode_header(&token)?;
    open.unless(6, header.alg == jsonwebtoken::Algorithm::EdDSA);
    open.unless(6, header.typ.as_deref() == Some("mesh-cap+jwt"));
    let keys = nobody.get("/.well-known/jwks.json").await?;
    open.unless(
        6,
        keys["keys"][0]["crv"] == "Ed25519" && keys["keys"][0].get("d").is_none(),
    );

    let refused = Socket::open(&server.url(), "?token=nonsense", None).await.err();
    let refused = refused.map(|error| error.to_string());
    open.unless(7, refused.as_deref() == Some("the upgrade was refused: 401"));
    let in_the_address = Socket::open(&server.url(), &format!("?token={}", alice.token), None).await;
    open.unless(8, in_the_address.is_err());

    let foreign = [("origin", "https://evil.example")];
    let page = Socket::open_with(&server.url(), "", Some(&alice.token), &foreign).await;
    open.unless(9, page.is_err());
    let request = alice.http().get(alice.at("/rooms")).bearer_auth(&alice.token);
    let answer = request.header("origin", "https://evil.example").send().await?;
    open.unless(9, !answer.headers().contains_key("access-control-allow-origin"));

    alice
        .request(Method::POST, "/auth/logout", Some(json!({})))
        .await?;
    open.unless(22, a.closed().await == Closed(Some(4401)));
    Ok(())
}

/// 10 to 17, 23, 24: what goes to whom.
async fn relay(open: &mut Open) -> Result<()> {
    let mut s = stage().await?;
    let (a, b) = (s.a.peer_id.clone(), s.b.peer_id.clone());
    let forged = json!({"room_id": s.room, "target": a, "peer_id": "p"});
    open.unless(
        10,
        code(&mut s.m, "system.welcome", forged).await? == "UNKNOWN_TYPE",
    );
    let output = json!({"room_id": s.room, "data": "x"});
    open.unless(
        11,
        code(&mut s.m, "TERM_OUT", output.clone()).await? == "UNKNOWN_TYPE",
    );
    open.unless(
        11,
        code(&mut s.m, "chat.typing", output).await? == "ROOM_NOT_FOUND",
    );

    let for_other = s.alice.cap(&s.other, &a, &["call"], json!({})).await?;
    let crossing = payload("call.request", &s.room, Some(&b), "s12", Some(&for_other));
    open.unless(
        12,
        code(&mut s.a, "call.request", crossing).await? == "CAP_REQUIRED",
    );
    let astray = payload("call.request", &s.other, Some(&b), "s12", Some(&for_other));
    open.unless(12, code(&mut s.a, "call.request", astray).await? == "UNROUTABLE");

    let bound = s
        .alice
        .cap(&s.room, &a, &["call"], json!({"target_peer_id": b}))
        .await?;
    let to_all = payload("call.request", &s.room, None, "s13", Some(&bound));
    open.unless(
        13,
        code(&mut s.a, "call.request", to_all).await? == "CAP_REQUIRED",
    );

    let first = payload("call.request", &s.room, Some(&b), "s14", Some(&bound));
    s.a.send("call.request", first).await?;
    let again = payload("call.request", &s.room, Some(&b), "other", Some(&bound));
    open.unless(14, code(&mut s.a, "call.request", again).await? == "CAP_REPLAYED");
    // The one that fits is all that Bob and Carol got of this.
    open.unless(10, s.a.drain().await?.is_empty());
    let got = s.b.drain().await?;
    open.unless(13, got.len() == 1 && got[0]["payload"]["session_id"] == "s14");
    open.unless(12, s.c.drain().await?.is_empty());

    let free = s.alice.cap(&s.room, &a, &["call"], json!({})).await?;
    s.a.send(
        "call.request",
        payload("call.request", &s.room, None, "s15", Some(&free)),
    )
    .await?;
    let seen = s.b.expect("call.request").await?;
    open.unless(15, seen["payload"].get("cap_token").is_none());

    let ask = json!({"target_peer_id": b, "max_size": 10, "session_id": "f"});
    let file = s.alice.cap(&s.room, &a, &["share:file"], ask).await?;
    let mut request = payload("share.file.request", &s.room, Some(&b), "f", Some(&file));
    request["size"] = json!(11);
    open.unless(
        16,
        code(&mut s.a, "share.file.request", request.clone()).await? == "CAP_REQUIRED",
    );
    request["size"] = json!(10);
    request["files"][0]["path"] = json!("../../.ssh/authorized_keys");
    open.unless(
        16,
        code(&mut s.a, "share.file.request", request).await? == "BAD_PAYLOAD",
    );

    let alone = s
        .alice
        .cap(&s.room, &a, &["rtc"], json!({"target_peer_id": b}))
        .await;
    open.unless(17, alone.is_err());
    let ask = json!({"target_peer_id": b});
    let view = s.alice.cap(&s.room, &a, &["terminal:view", "rtc"], ask).await?;
    for feature in ["call", "screen", "file", "folder"] {
        let mut offer = payload("rtc.offer", &s.room, Some(&b), "s17", Some(&view));
        offer["feature"] = json!(feature);
        open.unless(17, code(&mut s.a, "rtc.offer", offer).await? == "CAP_REQUIRED");
    }
    remembers(open, s).await
}

/// 23 and 24.
async fn remembers(open: &mut Open, mut s: Stage) -> Result<()> {
    open.unless(
        23,
        s.a.welcome["resume"]
            .as_str()
            .is_some_and(|token| !token.is_empty()),
    );
    let text = json!({"room_id": s.room, "client_id": "c1", "text": "hello"});
    let id = s.a.send("chat.message.create", text).await?;
    let ack = s.a.expect("ack").await?;
    open.unless(
        23,
        ack["payload"]["ref"] == id.as_str() && ack["payload"]["seq"] == 1,
    );
    let message = s.b.expect("chat.message.created").await?;
    open.unless(23, message["id"].is_string() && message["timestamp"].is_string());
    let gone = s.b.peer_id.clone();
    s.b.close().await?;
    let left = s.a.expect("room.left").await?;
    open.unless(23, left["payload"]["peer_id"] == gone.as_str());

    let (room, alice) = (s.room.clone(), s.alice.clone());
    drop((s.a, s.c, s.m));
    let server = s.server;
    eventually("every socket is forgotten", async || {
        server.advance(std::time::Duration::from_secs(121));
        server.socket_count() == 0
    })
    .await;
    let _restarted = server.restart().await?;
    let after = alice.get(&format!("/rooms/{room}/messages")).await;
    open.unless(24, after.is_ok_and(|page| page["messages"][0]["text"] == "hello"));
    Ok(())
}

/// 18 to 21: what one socket does to the others. Each has a test of its own with figures.
async fn sockets(open: &mut Open) -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let (mut a, b) = (alice.join(&room).await?, bob.join(&room).await?);
    let typing = json!({"room_id": room, "typing": true});
    for bad in [
        Message::text("{"),
        Message::text("[]"),
        Message::binary(vec![0, 159]),
    ] {
        a.send_frame(bad).await?;
        open.unless(18, a.expect("error").await?["payload"]["code"] == "BAD_FRAME");
    }
    open.unless(18, a.error_of("chat.typing", typing.clone()).await?.is_none());

    let mut large = bob.connect().await?;
    large.send_text("x".repeat(15 * 1024 * 1024)).await?;
    open.unless(19, large.closed().await == Closed(Some(1009)));
    let mut many = Vec::new();
    for _ in 0..300 {
        many.push(Socket::open(&server.url(), "", Some(&bob.token)).await?);
    }
    open.unless(19, server.socket_count() <= 21);
    drop(many);

    // One that never reads, and one whose connection is reset in the middle of a frame.
    let mut raw = tokio::net::TcpStream::connect(server.address()).await?;
    let handshake = format!(
        "GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        alice.token
    );
    raw.write_all(handshake.as_bytes()).await?;
    let join = json!({"type": "room.join", "payload": {"room_id": room}}).to_string();
    let length = u8::try_from(join.len())?;
    raw.write_all(&[&[0x81, 0x80 | length, 0, 0, 0, 0], join.as_bytes(), &[0x81]].concat())
        .await?;
    a.expect_where("the third to join", |m| {
        m["type"] == "room.joined" && m["payload"]["user_id"] == alice.user_id.as_str()
    })
    .await?;
    raw.set_zero_linger()?;
    drop(raw);
    for _ in 0..20 {
        open.unless(21, a.error_of("chat.typing", typing.clone()).await?.is_none());
    }
    drop(b);
    open.unless(20, a.error_of("chat.typing", typing).await?.is_none());
    Ok(())
}

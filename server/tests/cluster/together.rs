//! What clients of one node do with clients of another is what they do on one.

use std::collections::HashSet;

use anyhow::Result;
use mesh_protocol::ids::RoomId;
use mesh_testkit::{Closed, Socket};
use serde_json::{Value, json};

use crate::cluster::nodes::{Nodes, PASSWORD};
use crate::common::payload;

fn peers(state: &Value) -> Vec<&str> {
    let peers = state["peers"].as_array().unwrap();
    peers
        .iter()
        .map(|peer| peer["peer_id"].as_str().unwrap())
        .collect()
}

/// One says something, and the other hears it as the message of this number.
async fn says(from: &mut Socket, to: &mut Socket, room: &RoomId, seq: u64) -> Result<()> {
    let id = format!("c{seq}");
    let body = json!({"room_id": room, "client_id": id, "text": id});
    from.send("chat.message.create", body).await?;
    assert_eq!(from.expect("ack").await?["payload"]["seq"], seq);
    let created = to.expect_where("the other's message", |m| {
        m["type"] == "chat.message.created" && m["payload"]["text"] == id.as_str()
    });
    assert_eq!(created.await?["payload"]["seq"], seq);
    Ok(())
}

async fn describes(from: &mut Socket, to: &mut Socket, room: &RoomId, token: &str, kind: &str) -> Result<()> {
    let mut body = payload(kind, room, Some(&to.peer_id), "call-1", Some(token));
    body["feature"] = json!("call");
    from.send(kind, body).await?;
    assert_eq!(to.expect(kind).await?["from"], from.peer_id.as_str());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_of_two_nodes_meet_talk_and_open_a_session() -> Result<()> {
    let nodes = Nodes::start(3).await?;
    let room = &nodes.room;
    let (alice, bob) = (nodes.alice(0), nodes.member("bob", 1).await?);
    let mut a = alice.join(room).await?;
    let mut b = bob.connect().await?;
    let state = b.join(room).await?;
    assert!(peers(&state).contains(&a.peer_id.as_str()), "{state}");
    let joined = a.expect("room.joined").await?;
    assert_eq!(joined["payload"]["peer_id"], b.peer_id.as_str());

    let a_id = a.peer_id.clone();
    // Chat, both ways, numbered by the room.
    says(&mut a, &mut b, room, 1).await?;
    says(&mut b, &mut a, room, 2).await?;

    // Another name, asked for at a third node: shown where one is, and where the others are.
    nodes.alice(2).patch("/me", json!({"name": "Alice L."})).await?;
    for socket in [&mut a, &mut b] {
        let shown = socket.expect("presence.changed").await?;
        assert_eq!(
            (&shown["payload"]["peer_id"], &shown["payload"]["name"]),
            (&json!(a_id), &json!("Alice L."))
        );
    }

    // Presence, and what is offered.
    b.send(
        "presence.set",
        json!({"room_id": room, "status": "busy", "offers": ["call"]}),
    )
    .await?;
    let changed = a.expect("presence.changed").await?;
    assert_eq!(
        (&changed["payload"]["status"], &changed["payload"]["offers"]),
        (&json!("busy"), &json!(["call"]))
    );
    let view = alice.cap(room, &a.peer_id, &["terminal:view"], json!({})).await?;
    a.send(
        "terminal.share.started",
        payload("terminal.share.started", room, None, "s1", Some(&view)),
    )
    .await?;
    b.expect("terminal.share.started").await?;
    let mut third = nodes.alice(2).connect().await?;
    let state = third.join(room).await?;
    assert_eq!(state["shares"][0]["peer_id"], a.peer_id.as_str(), "{state}");
    let of_b = state["peers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["peer_id"] == b.peer_id.as_str())
        .unwrap();
    assert_eq!(of_b["status"], "busy");

    // A call: the capability is asked for at a third node.
    let ask = json!({"target_peer_id": b.peer_id, "session_id": "call-1"});
    let token = nodes.alice(2).cap(room, &a.peer_id, &["call"], ask).await?;
    a.send(
        "call.request",
        payload("call.request", room, Some(&b.peer_id), "call-1", Some(&token)),
    )
    .await?;
    let request = b.expect("call.request").await?;
    assert_eq!(
        (&request["from"], &request["payload"]["cap_token"]),
        (&json!(a.peer_id), &json!(token))
    );
    b.send(
        "call.accept",
        payload("call.accept", room, Some(&a.peer_id), "call-1", None),
    )
    .await?;
    a.expect("call.accept").await?;
    // Each end of the session gets a capability towards the other, and no third one of that session does.
    let ask = json!({"target_peer_id": a.peer_id, "session_id": "call-1"});
    let answer = bob.cap(room, &b.peer_id, &["call"], ask).await?;
    describes(&mut a, &mut b, room, &token, "rtc.offer").await?;
    describes(&mut b, &mut a, room, &answer, "rtc.answer").await?;
    let replayed = payload("call.request", room, Some(&b.peer_id), "call-2", Some(&token));
    assert!(matches!(
        a.error_of("call.request", replayed).await?.as_deref(),
        Some("CAP_REQUIRED" | "CAP_REPLAYED")
    ));
    let stranger = payload("call.end", room, Some(&b.peer_id), "call-1", None);
    assert_eq!(
        third.error_of("call.end", stranger).await?.as_deref(),
        Some("CAP_REQUIRED")
    );

    // Taken back by way of a node that has neither end.
    nodes
        .alice(2)
        .post("/caps/revoke", json!({"session_id": "call-1"}))
        .await?;
    for socket in [&mut a, &mut b] {
        assert_eq!(
            socket.expect("cap.revoked").await?["payload"]["session_id"],
            "call-1"
        );
    }
    let mut body = payload("rtc.answer", room, Some(&a.peer_id), "call-1", Some(&answer));
    body["feature"] = json!("call");
    assert_eq!(
        b.error_of("rtc.answer", body).await?.as_deref(),
        Some("CAP_REQUIRED")
    );
    let again = nodes
        .alice(2)
        .post("/caps/revoke", json!({"session_id": "call-1"}))
        .await;
    assert_eq!(again.unwrap_err().status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_at_one_node_is_gone_at_every_other() -> Result<()> {
    let nodes = Nodes::start(3).await?;
    let room = &nodes.room;
    let (alice, bob, carol) = (
        nodes.alice(0),
        nodes.member("bob", 1).await?,
        nodes.member("carol", 2).await?,
    );
    let (mut a, mut b, mut c) = (
        alice.join(room).await?,
        bob.join(room).await?,
        carol.join(room).await?,
    );
    // A token of one's own, taken back at a node that has nothing of it.
    let ask = json!({"target_peer_id": a.peer_id, "session_id": "s"});
    let token = bob.cap(room, &b.peer_id, &["call"], ask).await?;
    b.send(
        "call.request",
        payload("call.request", room, Some(&a.peer_id), "s", Some(&token)),
    )
    .await?;
    a.expect("call.request").await?;
    let jti = jti(&token);
    bob.via(nodes.url(2))
        .post("/caps/revoke", json!({"jti": jti}))
        .await?;
    assert_eq!(a.expect("cap.revoked").await?["payload"]["jti"], jti);
    let again = payload("call.request", room, Some(&a.peer_id), "s", Some(&token));
    assert_eq!(
        b.error_of("call.request", again).await?.as_deref(),
        Some("CAP_REQUIRED")
    );
    // The policy, changed at a node where nobody is affected.
    let ask = json!({"target_peer_id": a.peer_id, "session_id": "t"});
    let token = bob.cap(room, &b.peer_id, &["call"], ask).await?;
    b.send(
        "call.request",
        payload("call.request", room, Some(&a.peer_id), "t", Some(&token)),
    )
    .await?;
    a.expect("call.request").await?;
    nodes
        .alice(2)
        .patch(&format!("/rooms/{room}"), json!({"policy": {"member": []}}))
        .await?;
    for socket in [&mut a, &mut b] {
        let revoked = |m: &Value| m["type"] == "cap.revoked" && m["payload"]["reason"] == "policy_changed";
        socket.expect_where("what the policy ends", revoked).await?;
    }
    // The membership.
    nodes
        .alice(2)
        .delete(&format!("/rooms/{room}/members/{}", bob.user_id))
        .await?;
    for socket in [&mut a, &mut b, &mut c] {
        assert_eq!(
            socket.expect("room.left").await?["payload"]["user_id"],
            bob.user_id.as_str()
        );
    }
    let typing = json!({"room_id": room, "client_id": "x", "text": "still here"});
    assert_eq!(
        b.error_of("chat.message.create", typing).await?.as_deref(),
        Some("ROOM_NOT_FOUND")
    );
    // The session.
    carol.via(nodes.url(0)).post("/auth/logout", json!({})).await?;
    assert_eq!(c.closed().await, Closed(Some(4401)));
    // And the room.
    nodes.alice(1).delete(&format!("/rooms/{room}")).await?;
    let own = a.peer_id.to_string();
    a.expect_where("her own end", |m| {
        m["type"] == "room.left" && m["payload"]["peer_id"] == own.as_str()
    })
    .await?;
    Ok(())
}

fn jti(token: &str) -> String {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["jti"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_keeps_in_memory_is_found_from_every_other() -> Result<()> {
    let nodes = Nodes::start(3).await?;
    // A ticket, once.
    let ticket = nodes.alice(0).post("/ws/ticket", json!({})).await?;
    let query = format!("?token={}", ticket["ticket"].as_str().unwrap());
    Socket::open(&nodes.url(1), &query, None)
        .await?
        .welcomed()
        .await?;
    for at in 0..3 {
        assert!(
            Socket::open(&nodes.url(at), &query, None).await.is_err(),
            "used up at {at}"
        );
    }
    // A code: offered here, guessed there, answered by way of a third.
    let offer = nodes.alice(1).post("/codes", json!({"pake": "YQ"})).await?;
    let number = offer["nameplate"].as_u64().unwrap();
    let other = nodes.alice(2).post("/codes", json!({"pake": "Yg"})).await?;
    assert_ne!(
        other["nameplate"], offer["nameplate"],
        "a number is one sender's, whichever node gave it"
    );
    let stranger = mesh_testkit::TestClient::new(nodes.url(2));
    assert_eq!(stranger.get(&format!("/codes/{number}")).await?["pake"], "YQ");
    let guess = json!({"pake": "Yw", "sealed": "ZA"});
    let path = format!("/codes/{number}");
    let (guessed, came) = tokio::join!(stranger.post(&path, guess.clone()), async {
        let came = nodes.alice(0).get(&format!("{path}/guess")).await?;
        nodes.alice(2).put(&path, json!({"sealed": "ZQ"})).await?;
        anyhow::Ok(came)
    });
    assert_eq!(
        (&came?["guess"], &guessed?["reply"]["sealed"]),
        (&guess, &json!("ZQ"))
    );
    // A device that is paired.
    let device = mesh_testkit::TestClient::new(nodes.url(1));
    let intro = json!({"device": {"name": "laptop", "kind": "agent"}});
    let codes = device.post("/auth/device/code", intro).await?;
    let approve = json!({"user_code": codes["user_code"], "approve": true});
    nodes.alice(2).post("/auth/device/approve", approve).await?;
    let ask = json!({"device_code": codes["device_code"]});
    let session = device.via(nodes.url(0)).post("/auth/device/token", ask).await?;
    assert_eq!(session["user_id"], nodes.alice.user_id.as_str());
    // Guesses at a password count wherever they are made, and a right one is let in everywhere before.
    for at in 0..12 {
        let mut guesser = mesh_testkit::TestClient::new(nodes.url(at % 3));
        let refused = guesser.login("alice", "a wrong sentence").await.unwrap_err();
        assert!(matches!(refused.status, 401 | 429));
    }
    let mut late = mesh_testkit::TestClient::new(nodes.url(2));
    mesh_testkit::eventually("throttled everywhere", async || {
        late.login("alice", PASSWORD)
            .await
            .is_err_and(|refused| refused.status == 429)
    })
    .await;
    // One set of keys.
    let mut keys = Vec::new();
    for at in 0..3 {
        keys.push(nodes.alice(at).get("/.well-known/jwks.json").await?);
    }
    assert!(keys.windows(2).all(|two| two[0] == two[1]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn t52_a_client_that_was_cut_goes_on_at_another_node_without_a_gap() -> Result<()> {
    let nodes = Nodes::start(3).await?;
    let room = &nodes.room;
    let (alice, bob) = (nodes.alice(0), nodes.member("bob", 1).await?);
    let (mut a, mut b) = (alice.join(room).await?, bob.join(room).await?);
    let own = b.peer_id.clone();
    b.send(
        "presence.set",
        json!({"room_id": room, "status": "busy", "offers": ["call"]}),
    )
    .await?;
    a.expect_where("bob is busy", |m| {
        m["type"] == "presence.changed" && m["payload"]["status"] == "busy"
    })
    .await?;
    let ask = json!({"target_peer_id": a.peer_id});
    let token = bob.cap(room, &own, &["call"], ask).await?;
    b.send(
        "call.request",
        payload("call.request", room, Some(&a.peer_id), "s", Some(&token)),
    )
    .await?;
    a.expect("call.request").await?;
    let (mut said, mut heard) = (0, HashSet::new());
    for round in 0..12_usize {
        let at = bob.via(nodes.url((round + 2) % 3));
        let cut = b.cut();
        for _ in 0..1 + round % 4 {
            said += 1;
            let id = format!("m{said}");
            a.send(
                "chat.message.create",
                json!({"room_id": room, "client_id": id, "text": id}),
            )
            .await?;
            a.expect("ack").await?;
        }
        b = at.resume(&cut).await?;
        assert_eq!(b.peer_id, own, "round {round}");
        // What follows comes by the new way, and what waited by the old one.
        said += 1;
        let id = format!("m{said}");
        a.send(
            "chat.message.create",
            json!({"room_id": room, "client_id": id, "text": id}),
        )
        .await?;
        while heard.len() < said {
            let created = b.expect("chat.message.created").await?;
            assert!(
                heard.insert(created["payload"]["text"].to_string()),
                "round {round}: twice: {created}"
            );
        }
    }
    // It is the same for everyone: as it was, a party of its session, and its token bound to it.
    let mut c = nodes.alice(1).connect().await?;
    let state = c.join(room).await?;
    let of_b: Vec<&Value> = state["peers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["peer_id"] == own.as_str())
        .collect();
    assert!(of_b.len() == 1 && of_b[0]["status"] == "busy", "{state}");
    a.send("call.accept", payload("call.accept", room, Some(&own), "s", None))
        .await?;
    b.expect("call.accept").await?;
    let replayed = payload("call.request", room, Some(&a.peer_id), "another", Some(&token));
    assert_eq!(
        b.error_of("call.request", replayed).await?.as_deref(),
        Some("CAP_REPLAYED")
    );
    b.send("call.end", payload("call.end", room, Some(&a.peer_id), "s", None))
        .await?;
    a.expect("call.end").await?;
    println!("t52: 12 cuts, each resumed at another of 3 nodes: {said} messages, 0 gaps, 0 twice");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_resumes_at_another_node_after_the_old_one_died_is_told_to_begin_anew() -> Result<()> {
    let mut nodes = Nodes::start(2).await?;
    let bob = nodes.member("bob", 1).await?;
    let b = bob.join(&nodes.room).await?;
    nodes.kill(1);
    let cut = b.cut();
    let mut again = bob.via(nodes.url(0)).resume(&cut).await?;
    assert_ne!(again.peer_id, cut.peer_id);
    assert_eq!(again.next().await.unwrap()["type"], "system.resync");
    // Nobody else goes on as somebody of another node.
    let own = nodes.alice(0).join(&nodes.room).await?.cut();
    nodes.run(1)?;
    let mut forged = bob.via(nodes.url(1)).resume(&own).await?;
    assert_ne!(forged.peer_id, own.peer_id);
    assert_eq!(forged.next().await.unwrap()["type"], "system.resync");
    Ok(())
}

//! A client that was cut goes on where it was, or is told that it cannot.

use std::time::Duration;

use anyhow::Result;
use mesh_protocol::ids::RoomId;
use mesh_testkit::{Cut, Socket, TestClient, TestServer, eventually};
use serde_json::{Value, json};

/// Alice and Bob in a room, both with a socket.
struct Pair {
    server: TestServer,
    alice: TestClient,
    bob: TestClient,
    room: RoomId,
    a: Socket,
    b: Socket,
}

async fn pair() -> Result<Pair> {
    let server = TestServer::builder()
        .config(|config| {
            config.limits.frames_per_second = 1_000_000;
            config.limits.frame_burst = 1_000_000;
        })
        .start()
        .await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let mut a = alice.join(&room).await?;
    let b = bob.join(&room).await?;
    a.expect("room.joined").await?;
    Ok(Pair {
        server,
        alice,
        bob,
        room,
        a,
        b,
    })
}

impl Pair {
    /// Bob says so much, numbered from `first`; returns when all of it has reached Alice's queue.
    async fn say(&mut self, first: u64, count: u64) -> Result<()> {
        for number in first..first + count {
            let typing = json!({"room_id": self.room, "status": "online", "offers": offers(number)});
            self.b.send("presence.set", typing).await?;
        }
        // What Bob hears himself, Alice's queue has.
        let own = self.b.peer_id.clone();
        for _ in 0..count {
            self.b
                .expect_where("his own presence", is_of(own.as_str()))
                .await?;
        }
        Ok(())
    }

    /// Breaks Alice's socket, and waits until Bob sees it.
    async fn cut(&mut self, socket: Socket) -> Result<Cut> {
        let cut = socket.cut();
        let away = self
            .b
            .expect_where("alice away", is_of(cut.peer_id.as_str()))
            .await?;
        assert_eq!(away["payload"]["status"], "away");
        Ok(cut)
    }
}

fn is_of(peer: &str) -> impl Fn(&Value) -> bool {
    move |message| message["type"] == "presence.changed" && message["payload"]["peer_id"] == peer
}

/// A number that survives the way: which of five features are offered.
fn offers(number: u64) -> Vec<&'static str> {
    let all = ["call", "screen", "file", "folder", "terminal"];
    (0..5)
        .filter(|bit| number >> bit & 1 == 1)
        .map(|bit| all[bit])
        .collect()
}

/// The next of Bob's numbers.
async fn heard(socket: &mut Socket, bob: &str) -> Result<u64> {
    let all = ["call", "screen", "file", "folder", "terminal"];
    let message = socket.expect_where("a number of bob", is_of(bob)).await?;
    let offered = message["payload"]["offers"].as_array().unwrap();
    Ok(offered
        .iter()
        .filter_map(|offer| all.iter().position(|name| offer == name))
        .fold(0, |number, bit| number | 1 << bit))
}

#[tokio::test]
async fn t52_a_thousand_cuts_of_up_to_two_minutes_leave_no_gap() -> Result<()> {
    let mut p = pair().await?;
    let bob = p.b.peer_id.to_string();
    let own = p.a.peer_id.clone();
    let mut a = std::mem::replace(&mut p.a, p.alice.connect().await?);
    let (mut said, mut heard_so_far) = (0, 0);
    for round in 0..1_000_u64 {
        let (before, during) = (round % 4, 1 + round % 7);
        p.say(said, before).await?;
        said += before;
        // Some of it is read, the rest is on its way when the connection breaks.
        for _ in 0..before / 2 {
            assert_eq!(heard(&mut a, &bob).await?, heard_so_far % 32);
            heard_so_far += 1;
        }
        let cut = p.cut(a).await?;
        p.say(said, during).await?;
        said += during;
        p.server.advance(Duration::from_secs(1 + round * 7 % 110));
        a = p.alice.resume(&cut).await?;
        assert_eq!(a.peer_id, own, "round {round}");
        p.b.expect_where("alice back", is_of(own.as_str())).await?;
        while heard_so_far < said {
            assert_eq!(heard(&mut a, &bob).await?, heard_so_far % 32, "round {round}");
            heard_so_far += 1;
        }
    }
    println!("1000 cuts, {said} messages, 0 gaps, 0 twice");
    Ok(())
}

#[tokio::test]
async fn t52_after_more_than_two_minutes_the_client_is_told_to_begin_anew() -> Result<()> {
    let mut p = pair().await?;
    let own = p.a.peer_id.clone();
    let a = std::mem::replace(&mut p.a, p.alice.connect().await?);
    let cut = p.cut(a).await?;
    p.server.advance(Duration::from_secs(130));
    let left = p.b.expect("room.left").await?;
    assert_eq!(left["payload"]["peer_id"], own.as_str());
    let mut again = p.alice.resume(&cut).await?;
    assert_ne!(again.peer_id, own);
    assert_eq!(again.next().await.unwrap()["type"], "system.resync");
    Ok(())
}

#[tokio::test]
async fn a_client_may_come_back_before_the_server_knows_that_it_went() -> Result<()> {
    let mut p = pair().await?;
    let bob = p.b.peer_id.to_string();
    let old = p.a;
    let cut = Cut {
        peer_id: old.peer_id.clone(),
        resume: old.welcome["resume"].as_str().unwrap().to_owned(),
        received: old.received,
    };
    let mut new = p.alice.resume(&cut).await?;
    assert_eq!(new.peer_id, old.peer_id);
    p.a = old;
    p.say(5, 1).await?;
    assert_eq!(heard(&mut new, &bob).await?, 5);
    assert!(
        p.a.expect("presence.changed").await.is_err(),
        "the old socket is over"
    );
    new.error_of("nonsense", json!({})).await?;
    assert_eq!(p.server.socket_count(), 2);
    Ok(())
}

#[tokio::test]
async fn only_the_same_sign_in_with_the_right_token_goes_on() -> Result<()> {
    let mut p = pair().await?;
    let own = p.a.peer_id.clone();
    let a = std::mem::replace(&mut p.a, p.alice.connect().await?);
    let cut = p.cut(a).await?;
    let wrong = [
        ("", cut.received),
        ("nonsense", cut.received),
        (&format!("{own}."), cut.received),
        (&format!("{own}.{}", "x".repeat(43)), cut.received),
        (&cut.resume, cut.received + 1_000),
    ];
    for (resume, received) in wrong {
        let forged = Cut {
            resume: resume.to_owned(),
            received,
            ..cut.clone()
        };
        // From another device: a fresh start of the same one would end the wait.
        let mut refused = p.bob.resume(&forged).await?;
        assert_ne!(refused.peer_id, own, "{resume}");
        assert_eq!(refused.next().await.unwrap()["type"], "system.resync");
    }
    let mut of_bob = p.bob.resume(&cut).await?;
    assert_ne!(of_bob.peer_id, own, "it is not bob's");
    assert_eq!(of_bob.next().await.unwrap()["type"], "system.resync");
    assert_eq!(p.alice.resume(&cut).await?.peer_id, own);
    Ok(())
}

#[tokio::test]
async fn who_signed_out_meanwhile_is_gone_for_the_others() -> Result<()> {
    let mut p = pair().await?;
    let own = p.a.peer_id.clone();
    let a = std::mem::replace(&mut p.a, p.alice.connect().await?);
    let cut = p.cut(a).await?;
    p.alice.post("/auth/logout", json!({})).await?;
    let left = p.b.expect("room.left").await?;
    assert_eq!(left["payload"]["peer_id"], own.as_str());
    assert!(p.alice.resume(&cut).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_device_that_starts_anew_leaves_no_ghost() -> Result<()> {
    let mut p = pair().await?;
    let own = p.a.peer_id.clone();
    let a = std::mem::replace(&mut p.a, p.bob.connect().await?);
    p.cut(a).await?;
    let _fresh = p.alice.connect().await?;
    let left = p.b.expect("room.left").await?;
    assert_eq!(left["payload"]["peer_id"], own.as_str());
    Ok(())
}

#[tokio::test]
async fn who_closes_in_order_is_gone_at_once() -> Result<()> {
    let mut p = pair().await?;
    let own = p.a.peer_id.clone();
    let resume = p.a.welcome["resume"].as_str().unwrap().to_owned();
    p.a.close().await?;
    let left = p.b.expect("room.left").await?;
    assert_eq!(left["payload"]["peer_id"], own.as_str());
    let cut = Cut {
        peer_id: own.clone(),
        resume,
        received: 0,
    };
    assert_ne!(p.alice.resume(&cut).await?.peer_id, own);
    Ok(())
}

#[tokio::test]
async fn more_than_the_queue_holds_is_not_waited_with() -> Result<()> {
    let mut p = pair().await?;
    let own = p.a.peer_id.clone();
    let a = std::mem::replace(&mut p.a, p.bob.connect().await?);
    let cut = p.cut(a).await?;
    p.say(0, 300).await?;
    eventually("the peer is given up", async || p.server.socket_count() == 2).await;
    let mut again = p.alice.resume(&cut).await?;
    assert_ne!(again.peer_id, own);
    assert_eq!(again.next().await.unwrap()["type"], "system.resync");
    Ok(())
}

#[tokio::test]
async fn a_token_stays_bound_to_its_session_over_a_cut() -> Result<()> {
    let mut p = pair().await?;
    let own = p.a.peer_id.clone();
    let mut a = std::mem::replace(&mut p.a, p.bob.connect().await?);
    let token = p.alice.cap(&p.room, &own, &["call"], json!({})).await?;
    let request = |session: &str| json!({"room_id": p.room, "session_id": session, "cap_token": token});
    assert_eq!(a.error_of("call.request", request("one")).await?, None);
    let cut = a.cut();
    let mut a = p.alice.resume(&cut).await?;
    assert_eq!(a.peer_id, own);
    let replayed = a.error_of("call.request", request("two")).await?;
    assert_eq!(replayed.as_deref(), Some("CAP_REPLAYED"));
    assert_eq!(a.error_of("call.request", request("one")).await?, None);
    Ok(())
}

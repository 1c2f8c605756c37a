//! Codes: who waits under which number, the one guess at each, what both are told; and the rooms that are made for them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use mesh_testkit::{RestError, TestClient, TestServer, eventually};
use serde_json::{Value, json};

fn guess(text: &str) -> Value {
    json!({"pake": "Qg", "sealed": text})
}

async fn offer(client: &TestClient) -> Result<u64> {
    let offered = client.post("/codes", json!({"pake": "QQ"})).await?;
    offered["nameplate"].as_u64().context("no number")
}

fn told(answer: Result<Value, RestError>) -> (u16, String) {
    answer.map_or_else(|error| (error.status, error.code), |told| (200, told.to_string()))
}

fn gone() -> (u16, String) {
    (410, "CODE_GONE".to_owned())
}

/// Lets a guest into the room by an invitation.
async fn guest_of(server: &TestServer, owner: &TestClient, room: &str) -> Result<TestClient> {
    let invite = owner
        .post(&format!("/rooms/{room}/invites"), json!({"guest": true}))
        .await?;
    let mut guest = server.stranger();
    let session = guest
        .post("/auth/guest", json!({"invite": invite["token"], "name": "Ann"}))
        .await?;
    guest.adopt(&session);
    Ok(guest)
}

#[tokio::test]
async fn a_guess_and_its_answer_pass_once_and_whoever_waits_is_told_at_once() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob, stranger) = (
        server.client("alice").await?,
        server.client("bob").await?,
        server.stranger(),
    );
    let offered = alice.post("/codes", json!({"pake": "QQ"})).await?;
    assert_eq!(
        offered,
        json!({"nameplate": 1, "expires_at": server.now() + 3600})
    );
    assert_eq!(stranger.get("/codes/1").await?, json!({"pake": "QQ"}));

    // The sender asks before anybody came, and is answered when somebody does.
    let begun = Instant::now();
    let (guessed, replied) = tokio::join!(alice.get("/codes/1/guess"), async {
        let early = tokio::time::timeout(
            Duration::from_millis(300),
            stranger.post("/codes/1", guess("one")),
        );
        early.await
    });
    assert_eq!(guessed?, json!({"guess": guess("one")}));
    assert!(replied.is_err(), "nobody has answered");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());

    // Whoever comes late finds the number used; the same again is the same guess.
    assert_eq!(told(stranger.get("/codes/1").await), gone());
    assert_eq!(told(stranger.post("/codes/1", guess("two")).await), gone());
    assert_eq!(told(bob.get("/codes/1/guess").await), gone());
    assert_eq!(told(bob.put("/codes/1", json!({"sealed": "no"})).await), gone());
    assert_eq!(told(bob.delete("/codes/1").await), gone());
    let (replied, done) = tokio::join!(
        stranger.post("/codes/1", guess("one")),
        alice.put("/codes/1", json!({"sealed": "yes"}))
    );
    assert_eq!(
        (replied?, done?),
        (json!({"reply": {"sealed": "yes"}}), json!({"ok": true}))
    );
    assert_eq!(
        told(alice.put("/codes/1", json!({"sealed": "again"})).await),
        gone()
    );
    assert_eq!(told(stranger.post("/codes/1", guess("two")).await), gone());
    Ok(())
}

#[tokio::test]
async fn a_number_is_its_senders_until_it_is_given_back_or_nobody_asks() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, stranger) = (server.client("alice").await?, server.stranger());
    assert_eq!((offer(&alice).await?, offer(&alice).await?), (1, 2));
    let (waiting, withdrawn) = tokio::join!(alice.get("/codes/1/guess"), alice.delete("/codes/1"));
    assert_eq!((told(waiting), withdrawn?), (gone(), json!({"ok": true})));
    assert_eq!(told(alice.delete("/codes/1").await), gone());
    assert_eq!(offer(&alice).await?, 1, "the smallest that is free");
    let begun = Instant::now();
    assert_eq!(alice.get("/codes/1/guess").await?, json!({"guess": null}));
    println!("held for {:.1} s", begun.elapsed().as_secs_f64());
    assert!((4..=8).contains(&begun.elapsed().as_secs()));
    server.advance(Duration::from_secs(31));
    assert_eq!(told(stranger.get("/codes/2").await), gone());
    assert_eq!(told(alice.get("/codes/2/guess").await), gone());
    let server = server.restart().await?;
    assert_eq!(told(server.stranger().get("/codes/1").await), gone());
    Ok(())
}

#[tokio::test]
async fn only_accounts_wait_and_what_is_not_base64url_or_too_long_is_refused() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, stranger) = (server.client("alice").await?, server.stranger());
    let room = alice.create_room("Party").await?;
    let guest = guest_of(&server, &alice, room.as_ref()).await?;
    offer(&alice).await?;
    for (client, expected) in [
        (&stranger, (401, "UNAUTHENTICATED")),
        (&guest, (403, "FORBIDDEN")),
    ] {
        let refused = [
            client.post("/codes", json!({"pake": "QQ"})).await,
            client.get("/codes/1/guess").await,
            client.put("/codes/1", json!({"sealed": "QQ"})).await,
            client.delete("/codes/1").await,
        ];
        for refused in refused {
            assert_eq!(told(refused), (expected.0, expected.1.to_owned()));
        }
    }
    let bad = || (400, "BAD_REQUEST".to_owned());
    for pake in ["", "a b", "a=", "ä", &"A".repeat(129)] {
        assert_eq!(
            told(alice.post("/codes", json!({"pake": pake})).await),
            bad(),
            "{pake}"
        );
        let guess = json!({"pake": pake, "sealed": "QQ"});
        assert_eq!(told(stranger.post("/codes/1", guess).await), bad(), "{pake}");
    }
    for sealed in ["", "a b", &"A".repeat(2049)] {
        let guess = json!({"pake": "QQ", "sealed": sealed});
        assert_eq!(told(stranger.post("/codes/1", guess).await), bad());
        assert_eq!(
            told(alice.put("/codes/1", json!({"sealed": sealed})).await),
            bad()
        );
    }
    for path in ["/codes/x", "/codes/-1", "/codes/4294967296"] {
        assert_eq!(told(stranger.get(path).await), bad(), "{path}");
    }
    assert_eq!(
        stranger.get("/codes/1").await?["pake"],
        "QQ",
        "nothing of it was a guess"
    );
    Ok(())
}

#[tokio::test]
async fn guesses_are_throttled_by_network_and_numbers_are_bounded() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    for number in 1..=10 {
        assert_eq!(offer(&alice).await?, number);
    }
    let full = alice.post("/codes", json!({"pake": "QQ"})).await;
    assert_eq!(told(full), (429, "THROTTLED".to_owned()));
    let stranger = server.stranger();
    let ask = async |path: &str, from: &str| {
        let request = stranger.http().get(stranger.at(path));
        let answer = request.header("x-forwarded-for", from).send().await?;
        anyhow::Ok(answer.status().as_u16())
    };
    let mut looked = 0;
    for number in 11..40 {
        // Every address of one network.
        match ask(&format!("/codes/{number}"), &format!("2001:db8::{number}")).await? {
            410 => looked += 1,
            other => assert_eq!(other, 429),
        }
    }
    println!("{looked} of 29 numbers that were nobody's were looked for, the others refused");
    assert!((10..=12).contains(&looked));
    assert_eq!(ask("/codes/1", "2001:db8::1").await?, 429);
    assert_eq!(
        ask("/codes/1", "2001:db8:0:1::1").await?,
        200,
        "others are not held up"
    );
    Ok(())
}

#[tokio::test]
async fn a_room_of_a_short_life_goes_once_nobody_is_in_it_and_its_guests_with_it() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    for seconds in [0, 86_401] {
        let refused = alice
            .post("/rooms", json!({"name": "Short", "expires_in": seconds}))
            .await;
        assert_eq!(told(refused), (400, "BAD_REQUEST".to_owned()));
    }
    let make = async || {
        let made = alice
            .post("/rooms", json!({"name": "Short", "expires_in": 600}))
            .await?;
        Ok::<_, anyhow::Error>(made["room_id"].as_str().context("no room")?.to_owned())
    };
    // The server looks at them in this order.
    let (used, left) = (make().await?, make().await?);
    let stays = alice.create_room("Home").await?;
    let guest = guest_of(&server, &alice, &left).await?;
    let mut present = alice.join(&used.parse()?).await?;
    server.advance(Duration::from_secs(601));
    eventually("the room that was left is gone", async || {
        alice.get(&format!("/rooms/{left}")).await.is_err()
    })
    .await;
    assert_eq!(told(guest.get("/me").await).0, 401);
    assert!(
        alice.get(&format!("/rooms/{used}")).await.is_ok(),
        "somebody is in it"
    );
    present.send("room.leave", json!({"room_id": used})).await?;
    eventually("the room that was used is gone", async || {
        alice.get(&format!("/rooms/{used}")).await.is_err()
    })
    .await;
    assert!(alice.get(&format!("/rooms/{stays}")).await.is_ok());
    Ok(())
}

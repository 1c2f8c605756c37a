//! Who is told of what: every event, presence, preferences, quiet hours, and that nothing of what was said leaves the server.

pub mod receiver;

use std::time::Duration;

use anyhow::Result;
use mesh_protocol::ids::RoomId;
use mesh_server::config::Secret;
use mesh_testkit::{Socket, TestClient, TestServer, eventually};
use receiver::{Came, GOTIFY_TOKEN, Receiver};
use serde_json::{Value, json};

/// A server whose Gotify everybody is told at, Alice and Bob in a room, and nobody looking.
struct Stage {
    server: TestServer,
    gotify: Receiver,
    alice: TestClient,
    bob: TestClient,
    room: RoomId,
    /// Alice's.
    a: Socket,
}

async fn stage() -> Result<Stage> {
    let gotify = Receiver::gotify().await?;
    let server = TestServer::builder()
        .config(|config| {
            config.gotify_url = Some(gotify.url());
            config.gotify_token = Some(Secret::new(GOTIFY_TOKEN));
            config.notify_private_addresses = true;
        })
        .start()
        .await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let a = alice.join(&room).await?;
    Ok(Stage {
        server,
        gotify,
        alice,
        bob,
        room,
        a,
    })
}

impl Stage {
    async fn say(&mut self, text: &str) -> Result<()> {
        say(&mut self.a, &self.room, text).await
    }

    /// Alice calls Bob's socket. Returns the payload.
    async fn call(&mut self, bob: &Socket, session: &str) -> Result<Value> {
        let target = &bob.peer_id;
        let ask = json!({"target_peer_id": target, "session_id": session});
        let token = cap(&self.alice, &self.room, &self.a, "call", ask).await?;
        let call = json!({"room_id": self.room, "target": target, "cap_token": token, "session_id": session});
        self.a.send("call.request", call.clone()).await?;
        Ok(call)
    }

    /// Alice shares a terminal, of which Bob is told after everything that was told before. Returns that, and moves the time
    /// on until nothing falls together with it any more.
    async fn fence(&mut self) -> Result<Vec<String>> {
        let share_id = token_id();
        let ask = json!({"session_id": share_id});
        let token = cap(&self.alice, &self.room, &self.a, "terminal:view", ask).await?;
        let share = json!({"room_id": self.room, "cap_token": token, "share_id": share_id, "label": "sh"});
        self.a.send("terminal.share.started", share.clone()).await?;
        self.a.send("terminal.share.ended", share).await?;
        let mut before = Vec::new();
        loop {
            let message = text(&self.gotify.next().await?);
            if message == "alice shares a terminal in Test." {
                break;
            }
            before.push(message);
        }
        self.a_minute_later().await;
        Ok(before)
    }

    /// When all that was told to Bob is settled.
    async fn a_minute_later(&self) {
        eventually("Bob's notices are settled", async || {
            waiting(&self.bob).await == 0
        })
        .await;
        self.server.advance(Duration::from_secs(61));
    }
}

async fn waiting(who: &TestClient) -> u64 {
    let told = who.get("/notifications/preferences").await.unwrap();
    told["waiting"].as_u64().unwrap()
}

async fn cap(
    who: &TestClient,
    room: &RoomId,
    socket: &Socket,
    capability: &str,
    ask: Value,
) -> Result<String> {
    let token = who.cap(room, &socket.peer_id, &[capability], ask).await;
    Ok(token?)
}

fn token_id() -> String {
    let id: mesh_protocol::ids::SessionId = mesh_server::auth::random::id();
    id.to_string()
}

fn text(came: &Came) -> String {
    came.json()["message"].as_str().unwrap_or_default().to_owned()
}

async fn say(socket: &mut Socket, room: &RoomId, text: &str) -> Result<()> {
    let message = json!({"room_id": room, "client_id": token_id(), "text": text});
    socket.send("chat.message.create", message).await?;
    socket.expect("ack").await?;
    Ok(())
}

async fn prefer(who: &TestClient, change: Value) -> Result<Value> {
    Ok(who.put("/notifications/preferences", change).await?)
}

#[tokio::test]
async fn a_message_is_told_to_who_is_not_looking_with_who_and_where_and_not_what() -> Result<()> {
    let mut stage = stage().await?;
    stage.say("the canary sings").await?;
    let came = stage.gotify.next().await?;
    let body = came.json();
    assert_eq!(body["title"], "Test");
    assert_eq!(body["message"], "alice wrote in Test.");
    assert_eq!(body["priority"], 5);
    let click = format!("{}/rooms/{}", stage.server.url(), stage.room);
    assert_eq!(body["extras"]["client::notification"]["click"]["url"], click);
    let whole = format!("{came:?} {body}");
    assert!(!whole.contains("canary sings"), "{whole}");
    assert!(!whole.contains(&stage.alice.token));
    Ok(())
}

#[tokio::test]
async fn who_looks_at_the_room_is_not_told_and_who_is_away_is() -> Result<()> {
    let mut stage = stage().await?;
    let mut b = stage.bob.join(&stage.room).await?;
    stage.say("one").await?;
    assert_eq!(stage.fence_from_bob(&mut b).await?, [""; 0]);
    let away = json!({"room_id": stage.room, "status": "away", "offers": []});
    b.send("presence.set", away).await?;
    b.drain().await?;
    stage.say("two").await?;
    assert_eq!(text(&stage.gotify.next().await?), "alice wrote in Test.");
    Ok(())
}

impl Stage {
    /// While Bob looks: Bob shares a terminal, and Alice, who is made to look away, is told of that.
    async fn fence_from_bob(&mut self, b: &mut Socket) -> Result<Vec<String>> {
        let away = json!({"room_id": self.room, "status": "away", "offers": []});
        self.a.send("presence.set", away).await?;
        self.a.drain().await?;
        let peer = b.peer_id.clone();
        let ask = json!({"session_id": "share"});
        let token = self
            .bob
            .cap(&self.room, &peer, &["terminal:view"], ask)
            .await
            .map_err(anyhow::Error::msg)?;
        let share = json!({"room_id": self.room, "cap_token": token, "share_id": "share", "label": "sh"});
        b.send("terminal.share.started", share).await?;
        let mut before = Vec::new();
        loop {
            let message = text(&self.gotify.next().await?);
            if message == "bob shares a terminal in Test." {
                return Ok(before);
            }
            before.push(message);
        }
    }
}

#[tokio::test]
async fn a_busy_room_rings_once_a_minute() -> Result<()> {
    let mut stage = stage().await?;
    for n in 0..20 {
        stage.say(&format!("message {n}")).await?;
    }
    assert_eq!(stage.fence().await?, ["alice wrote in Test."]);
    // A minute later.
    stage.say("once more").await?;
    assert_eq!(stage.fence().await?, ["alice wrote in Test."]);
    Ok(())
}

#[tokio::test]
async fn what_is_switched_off_muted_or_quiet_is_not_told() -> Result<()> {
    let mut stage = stage().await?;
    // Bob is told elsewhere than Carol, who hears of everything in the same moment.
    let carol = stage.server.client("carol").await?;
    let invite = format!("/rooms/{}/invites", stage.room);
    let invite = stage.alice.post(&invite, json!({})).await?;
    carol
        .post("/rooms/join", json!({"invite": invite["token"]}))
        .await?;
    let mut of_bob = Receiver::gotify().await?;
    prefer(
        &stage.bob,
        json!({"gotify": {"url": of_bob.url(), "token": GOTIFY_TOKEN}}),
    )
    .await?;
    let room = stage.room.to_string();
    let off = json!({"events": {"chat.message.created": false}});
    let on = json!({"events": {"chat.message.created": true}});
    let hour = |offset: u64| format!("{:02}:00", (stage.server.now() / 3_600 + 24 + offset) % 24);
    let quiet = json!({"quiet_hours": {"from": hour(23), "to": hour(3), "zone": "UTC"}});
    let ways = [
        (off, on),
        (
            json!({"rooms": {&room: "none"}}),
            json!({"rooms": {&room: "all"}}),
        ),
        (
            json!({"rooms": {&room: "mentions"}}),
            json!({"rooms": {&room: "all"}}),
        ),
        (json!({"muted": true}), json!({"muted": false})),
        (quiet, json!({"quiet_hours": null})),
    ];
    let bob = stage.bob.clone();
    let mut say = async |text: &str, expected: Option<&str>| -> Result<()> {
        stage.say(text).await?;
        assert_eq!(self::text(&stage.gotify.next().await?), "alice wrote in Test.");
        if let Some(expected) = expected {
            assert_eq!(self::text(&of_bob.next().await?), expected);
        }
        for who in [&stage.bob, &carol] {
            eventually("notices are settled", async || waiting(who).await == 0).await;
        }
        assert_eq!(of_bob.rest().len(), 0, "{text}");
        stage.server.advance(Duration::from_secs(61));
        Ok(())
    };
    for (silent, loud) in ways {
        prefer(&bob, silent.clone()).await?;
        say(&format!("is anybody there? {silent}"), None).await?;
        prefer(&bob, loud).await?;
        say("and now?", Some("alice wrote in Test.")).await?;
    }
    prefer(&bob, json!({"rooms": {&room: "mentions"}})).await?;
    say("@bob, look", Some("alice named you in Test.")).await?;
    prefer(&bob, json!({"rooms": {&room: "all"}, "language": "fr"})).await?;
    say("again", Some("alice a écrit dans Test.")).await
}

#[tokio::test]
async fn a_call_missed_in_quiet_hours_is_told_at_their_end() -> Result<()> {
    let mut stage = stage().await?;
    let hour = |offset: u64| format!("{:02}:00", (stage.server.now() / 3_600 + 24 + offset) % 24);
    let quiet = json!({"quiet_hours": {"from": hour(23), "to": hour(3), "zone": "UTC"}});
    prefer(&stage.bob, quiet).await?;
    let token = stage
        .alice
        .cap(&stage.room, &stage.a.peer_id, &["call"], json!({}))
        .await
        .map_err(anyhow::Error::msg)?;
    let call = json!({"room_id": stage.room, "cap_token": token, "session_id": "s"});
    stage.a.send("call.request", call.clone()).await?;
    stage.a.send("call.end", call).await?;
    stage.a.expect("call.missed").await?;
    eventually("the call waits", async || waiting(&stage.bob).await == 1).await;
    // A test arrives all the same.
    stage.bob.post("/notifications/test", json!({})).await?;
    let came = text(&stage.gotify.next().await?);
    assert_eq!(came, "This is a test: notices of Mesh arrive here.");
    stage.server.advance(Duration::from_secs(4 * 3_600));
    let came = text(&stage.gotify.next().await?);
    assert_eq!(came, "You missed a call from alice in Test.");
    Ok(())
}

#[tokio::test]
async fn a_call_that_nobody_answers_is_missed_after_thirty_seconds_or_when_the_caller_goes() -> Result<()> {
    let mut stage = stage().await?;
    let mut b = stage.bob.join(&stage.room).await?;
    let away = json!({"room_id": stage.room, "status": "away", "offers": []});
    b.send("presence.set", away).await?;
    let missed = "You missed a call from alice in Test.";

    // Answered, declined: no missed call, as long as it may have lasted.
    for (session, answer) in [("s1", "call.accept"), ("s2", "call.decline")] {
        stage.call(&b, session).await?;
        b.expect("call.request").await?;
        let answer_to = json!({"room_id": stage.room, "target": stage.a.peer_id, "session_id": session});
        b.send(answer, answer_to).await?;
        stage.a.expect(answer).await?;
        stage.server.advance(Duration::from_secs(31));
    }
    // Not answered.
    stage.call(&b, "s3").await?;
    b.expect("call.request").await?;
    stage.server.advance(Duration::from_secs(31));
    let told = b.expect("call.missed").await?;
    assert_eq!(
        told["payload"],
        json!({"room_id": stage.room, "session_id": "s3", "user_id": stage.alice.user_id, "name": "alice"})
    );
    let came = stage.gotify.next().await?;
    assert_eq!(
        (text(&came).as_str(), &came.json()["priority"]),
        (missed, &json!(8))
    );
    // Hung up.
    stage.a_minute_later().await;
    let end = stage.call(&b, "s4").await?;
    stage.a.send("call.end", end).await?;
    assert_eq!(b.expect("call.missed").await?["payload"]["session_id"], "s4");
    assert_eq!(text(&stage.gotify.next().await?), missed);
    // The caller went away.
    stage.a_minute_later().await;
    stage.call(&b, "s5").await?;
    b.expect("call.request").await?;
    stage.a.close().await?;
    assert_eq!(b.expect("call.missed").await?["payload"]["session_id"], "s5");
    assert_eq!(text(&stage.gotify.next().await?), missed);
    assert!(stage.gotify.rest().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_call_that_rings_while_the_server_is_stopped_is_missed() -> Result<()> {
    let mut stage = stage().await?;
    let mut b = stage.bob.join(&stage.room).await?;
    stage.call(&b, "s1").await?;
    b.expect("call.request").await?;
    let _restarted = stage.server.restart().await?;
    assert_eq!(
        text(&stage.gotify.next().await?),
        "You missed a call from alice in Test."
    );
    Ok(())
}

#[tokio::test]
async fn requests_and_what_is_done_are_told_to_the_one_concerned_and_the_lobby_to_moderators() -> Result<()> {
    let mut stage = stage().await?;
    let carol = stage.server.client("carol").await?;
    let invite = stage
        .alice
        .post(&format!("/rooms/{}/invites", stage.room), json!({}))
        .await?;
    carol
        .post("/rooms/join", json!({"invite": invite["token"]}))
        .await?;
    // Carol would be told too, if it were told to the room.
    let mut of_carol = Receiver::ntfy().await?;
    let place = json!({"ntfy": {"url": of_carol.url(), "topic": "carol"}});
    prefer(&carol, place).await?;
    let mut b = stage.bob.join(&stage.room).await?;
    let away = json!({"room_id": stage.room, "status": "away", "offers": []});
    b.send("presence.set", away.clone()).await?;
    b.drain().await?;
    let target = b.peer_id.clone();
    let asks = [
        (
            "terminal.share.request",
            "terminal:view",
            "alice asks to see your terminal in Test.",
        ),
        (
            "terminal.control.take",
            "terminal:control",
            "alice asks to control your terminal in Test.",
        ),
        (
            "screen.share.request",
            "screen",
            "alice asks for screen sharing in Test.",
        ),
        (
            "share.file.request",
            "share:file",
            "alice wants to send a file in Test.",
        ),
        (
            "share.folder.request",
            "share:folder",
            "alice wants to share a folder in Test.",
        ),
        (
            "share.completed",
            "",
            "A transfer with alice in Test is complete.",
        ),
    ];
    for (kind, capability, sentence) in asks {
        let session = if kind == "share.completed" {
            "share.folder.request"
        } else {
            kind
        };
        let session = session.replace('.', "-");
        let mut payload = json!({"room_id": stage.room, "target": target, "session_id": session});
        if !capability.is_empty() {
            let ask = json!({"target_peer_id": target, "session_id": session});
            let token = stage
                .alice
                .cap(&stage.room, &stage.a.peer_id, &[capability], ask)
                .await
                .map_err(anyhow::Error::msg)?;
            payload["cap_token"] = json!(token);
        }
        if kind.starts_with("share.") && !capability.is_empty() {
            payload["name"] = json!("canary.txt");
            payload["size"] = json!(10);
            payload["count"] = json!(1);
            payload["files"] = json!([{"path": "canary.txt", "size": 10}]);
        }
        stage.a.send(kind, payload).await?;
        let came = stage.gotify.next().await?;
        assert_eq!(text(&came), sentence);
        assert!(!String::from_utf8_lossy(&came.body).contains("canary"));
    }

    // The lobby is a matter of the owner's.
    stage.a.send("presence.set", away).await?;
    stage.a.drain().await?;
    let at = format!("/rooms/{}", stage.room);
    stage.alice.patch(&at, json!({"lobby": true})).await?;
    let invite = stage.alice.post(&format!("{at}/invites"), json!({})).await?;
    let dora = stage.server.client("dora").await?;
    for _ in 0..2 {
        // The second time nothing happens.
        dora.post("/rooms/join", json!({"invite": invite["token"]}))
            .await?;
    }
    assert_eq!(
        text(&stage.gotify.next().await?),
        "dora waits to be let into Test."
    );
    assert!(stage.gotify.rest().is_empty());
    assert!(of_carol.rest().is_empty());
    Ok(())
}

#[tokio::test]
async fn preferences_are_kept_and_their_secrets_never_told() -> Result<()> {
    let server = TestServer::builder()
        .config(|config| config.notify_private_addresses = true)
        .start()
        .await?;
    let alice = server.client("alice").await?;
    let fresh = alice.get("/notifications/preferences").await?;
    assert_eq!(
        (
            &fresh["muted"],
            &fresh["rooms"],
            &fresh["browsers"],
            &fresh["language"]
        ),
        (&json!(false), &json!({}), &json!([]), &json!("en"))
    );
    assert!(
        fresh["events"]
            .as_object()
            .unwrap()
            .values()
            .all(|on| *on == true)
    );
    assert!(fresh.get("gotify").is_none() && fresh["server_gotify"] == false);
    assert_eq!(fresh["push_key"].as_str().unwrap().len(), 87);

    let gotify = json!({"url": "https://gotify.example.com", "token": "canary-gotify"});
    let ntfy = json!({"url": "https://ntfy.example.com", "topic": "mine", "token": "canary-ntfy"});
    let quiet = json!({"from": "22:00", "to": "07:00", "zone": "Europe/Paris"});
    let told = prefer(
        &alice,
        json!({"gotify": gotify, "ntfy": ntfy, "quiet_hours": quiet, "events": {"share.completed": false}}),
    )
    .await?;
    assert_eq!(told, alice.get("/notifications/preferences").await?);
    assert!(!told.to_string().contains("canary"), "{told}");
    assert_eq!(
        told["gotify"],
        json!({"url": "https://gotify.example.com", "token_set": true})
    );
    assert_eq!(told["quiet_hours"], quiet);
    assert_eq!(told["events"]["share.completed"], false);
    assert_eq!(told["events"]["call.missed"], true);

    // A token stays with its address, and goes to no other.
    let same = json!({"gotify": {"url": "https://gotify.example.com"}});
    assert_eq!(prefer(&alice, same).await?["gotify"]["token_set"], true);
    let elsewhere = json!({"gotify": {"url": "https://other.example.com"}});
    let refused = alice
        .put("/notifications/preferences", elsewhere)
        .await
        .unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (400, "BAD_REQUEST"));
    let moved = json!({"ntfy": {"url": "https://other.example.com", "topic": "mine"}});
    assert_eq!(prefer(&alice, moved).await?["ntfy"]["token_set"], false);
    let gone = prefer(&alice, json!({"gotify": null, "ntfy": null, "quiet_hours": null})).await?;
    assert!(
        ["gotify", "ntfy", "quiet_hours"]
            .iter()
            .all(|key| gone.get(key).is_none()),
        "{gone}"
    );

    let room = alice.create_room("Own").await?;
    let foreign = json!({"rooms": {"somebody-elses": "none"}});
    let refused = alice
        .put("/notifications/preferences", foreign)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "ROOM_NOT_FOUND");
    let rooms = json!({"rooms": {room.as_str(): "none"}});
    assert_eq!(prefer(&alice, rooms.clone()).await?["rooms"], rooms["rooms"]);
    let back = prefer(&alice, json!({"rooms": {room.as_str(): "all"}})).await?;
    assert_eq!(back["rooms"], json!({}));
    for bad in [
        json!({"gotify": {"token": "no-gotify-of-the-server"}}),
        json!({"gotify": {"url": "ftp://gotify.example.com", "token": "t"}}),
        json!({"gotify": {"url": "https://gotify.example.com", "token": "two words"}}),
        json!({"ntfy": {"url": "https://ntfy.example.com", "topic": "a/b"}}),
        json!({"quiet_hours": {"from": "22", "to": "7", "zone": "UTC"}}),
        json!({"language": "de"}),
    ] {
        let refused = alice
            .put("/notifications/preferences", bad.clone())
            .await
            .unwrap_err();
        assert_eq!(refused.code, "BAD_REQUEST", "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn a_guest_has_no_notifications_and_a_test_says_that_there_is_no_place() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let none = alice.post("/notifications/test", json!({})).await?;
    assert_eq!(none["results"], json!([]));
    let room = server.room(&alice, &[]).await?;
    let invite = alice
        .post(
            &format!("/rooms/{room}/invites"),
            json!({"guest": true, "role": "guest"}),
        )
        .await?;
    let mut guest = server.stranger();
    let session = guest
        .post("/auth/guest", json!({"invite": invite["token"], "name": "gus"}))
        .await?;
    guest.adopt(&session);
    let refused = guest.get("/notifications/preferences").await.unwrap_err();
    assert_eq!(refused.code, "FORBIDDEN");
    eventually("tests are limited", async || {
        let tested = alice.post("/notifications/test", json!({})).await;
        tested.is_err_and(|error| error.code == "THROTTLED")
    })
    .await;
    Ok(())
}

//! How notices leave the server: Gotify, ntfy and Web Push after their published interfaces, patience with places that fail,
//! and no way into closed networks.

use crate::notifications::receiver;

use std::time::{Duration, Instant};

use anyhow::Result;
use mesh_protocol::ids::{RoomId, SessionId};
use mesh_server::auth::random;
use mesh_testkit::{Socket, TestClient, TestServer, eventually};
use receiver::{Answer, Browser, GOTIFY_TOKEN, NTFY_TOKEN, Receiver};
use serde_json::{Value, json};

/// Alice writes, Bob and Carol are told. Carol's Gotify always works: what came to her tells that an attempt at Bob's would
/// have been made too.
struct Stage {
    server: TestServer,
    bob: TestClient,
    carol: TestClient,
    room: RoomId,
    a: Socket,
    of_carol: Receiver,
}

async fn stage(private: bool) -> Result<Stage> {
    let server = TestServer::builder()
        .config(|config| config.notify_private_addresses = private)
        .start()
        .await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let carol = server.client("carol").await?;
    let room = server.room(&alice, &[&bob, &carol]).await?;
    let of_carol = Receiver::gotify().await?;
    if private {
        own_gotify(&carol, &of_carol).await?;
    }
    let a = alice.join(&room).await?;
    Ok(Stage {
        server,
        bob,
        carol,
        room,
        a,
        of_carol,
    })
}

async fn own_gotify(who: &TestClient, gotify: &Receiver) -> Result<()> {
    let place = json!({"gotify": {"url": gotify.url(), "token": GOTIFY_TOKEN}});
    who.put("/notifications/preferences", place).await?;
    Ok(())
}

/// Nothing of what somebody was told is on its way any more.
async fn settled(who: &TestClient) {
    eventually("notices are settled", async || {
        let told = who.get("/notifications/preferences").await.unwrap();
        told["waiting"] == 0
    })
    .await;
}

impl Stage {
    async fn say(&mut self) -> Result<()> {
        let client_id: SessionId = random::id();
        let message = json!({"room_id": self.room, "client_id": client_id, "text": "canary"});
        self.a.send("chat.message.create", message).await?;
        self.a.expect("ack").await?;
        Ok(())
    }

    /// Carol is told of what was just said.
    async fn carol_hears(&mut self) -> Result<()> {
        self.of_carol.next().await?;
        settled(&self.carol).await;
        Ok(())
    }

    /// A minute later something new is said, and Carol is told of it, after everything that was due before.
    async fn carol_is_told(&mut self) -> Result<()> {
        self.server.advance(Duration::from_secs(61));
        self.say().await?;
        self.carol_hears().await
    }

    async fn restart(self) -> Result<Self> {
        let server = self.server.restart().await?;
        let alice = server.sign_in("alice").await?;
        let a = alice.join(&self.room).await?;
        Ok(Self { server, a, ..self })
    }
}

#[tokio::test]
async fn gotify_and_ntfy_get_what_their_interfaces_ask_for() -> Result<()> {
    let mut stage = stage(true).await?;
    let (mut gotify, mut ntfy) = (Receiver::gotify().await?, Receiver::ntfy().await?);
    let places = json!({
        "gotify": {"url": gotify.url(), "token": GOTIFY_TOKEN},
        "ntfy": {"url": ntfy.url(), "topic": "bobs-phone", "token": NTFY_TOKEN},
    });
    stage.bob.put("/notifications/preferences", places).await?;
    let tested = stage.bob.post("/notifications/test", json!({})).await?;
    assert_eq!(
        tested["results"],
        json!([{"channel": "gotify", "ok": true}, {"channel": "ntfy", "ok": true}])
    );
    for place in [&mut gotify, &mut ntfy] {
        place.next().await?;
    }
    stage.say().await?;
    let click = json!(format!("{}/rooms/{}", stage.server.url(), stage.room));
    let came = gotify.next().await?;
    let body = came.json();
    assert_eq!(came.headers["x-gotify-key"], GOTIFY_TOKEN);
    assert_eq!(
        (&body["title"], &body["message"]),
        (&json!("Test"), &json!("alice wrote in Test."))
    );
    assert_eq!(body["extras"]["client::notification"]["click"]["url"], click);
    let came = ntfy.next().await?;
    assert_eq!(
        came.json(),
        json!({
            "topic": "bobs-phone", "title": "Test", "message": "alice wrote in Test.", "priority": 3, "click": click,
        })
    );
    assert_eq!(came.headers["authorization"], format!("Bearer {NTFY_TOKEN}"));
    // A wrong token is told as what it is.
    let wrong = json!({"gotify": {"url": gotify.url(), "token": "wrong"}, "ntfy": null});
    stage.bob.put("/notifications/preferences", wrong).await?;
    let tested = stage.bob.post("/notifications/test", json!({})).await?;
    assert_eq!(tested["results"][0]["ok"], false);
    assert!(
        tested["results"][0]["detail"].as_str().unwrap().contains("401"),
        "{tested}"
    );
    Ok(())
}

#[tokio::test]
async fn a_browser_reads_what_its_push_service_cannot() -> Result<()> {
    let mut stage = stage(true).await?;
    let (mut service, browser) = (Receiver::push().await?, Browser::new());
    let endpoint = format!("{}/push/canary-endpoint", service.url());
    let subscription = browser.subscription(&endpoint);
    stage
        .bob
        .put("/notifications/browser", subscription.clone())
        .await?;
    let told = stage.bob.get("/notifications/preferences").await?;
    assert_eq!(told["browsers"][0]["device_id"], stage.bob.device_id.as_str());
    assert!(!told.to_string().contains("canary"), "{told}");
    stage.say().await?;
    stage.carol_hears().await?;
    let came = service.next().await?;
    settled(&stage.bob).await;
    assert_eq!(came.path, "/push/canary-endpoint");
    assert_eq!(came.headers["urgency"], "normal");
    let key = came.headers["authorization"]
        .to_str()?
        .split_once(", k=")
        .unwrap()
        .1;
    assert_eq!(told["push_key"], key, "the key that the browser subscribed with");
    let notice = browser.read(&came)?;
    let click = format!("{}/rooms/{}", stage.server.url(), stage.room);
    assert_eq!(
        notice,
        json!({"title": "Test", "body": "alice wrote in Test.", "url": click, "tag": came.headers["topic"].to_str()?})
    );
    assert!(!String::from_utf8_lossy(&came.body).contains("alice"));
    let tested = stage.bob.post("/notifications/test", json!({})).await?;
    assert_eq!(
        tested["results"],
        json!([{"channel": "web_push", "ok": true}]),
        "the service took it"
    );
    service.next().await?;

    // What the service says is gone, is.
    service.answer([Answer::Status(410)]);
    stage.carol_is_told().await?;
    service.next().await?;
    let bob = stage.bob.clone();
    eventually("the subscription goes", async || {
        let told = bob.get("/notifications/preferences").await.unwrap();
        told["browsers"] == json!([])
    })
    .await;
    // A browser that signed out is told nothing.
    stage.bob.put("/notifications/browser", subscription).await?;
    stage.bob.post("/auth/logout", json!({})).await?;
    stage.carol_is_told().await?;
    assert!(service.rest().is_empty());
    for bad in [
        json!({"endpoint": "x", "keys": {"p256dh": "", "auth": ""}}),
        json!({}),
    ] {
        let eve = stage.server.sign_in("bob").await?;
        let refused = eve.put("/notifications/browser", bad).await.unwrap_err();
        assert_eq!(refused.code, "BAD_REQUEST");
    }
    Ok(())
}

#[tokio::test]
async fn twenty_browsers_of_one_person_are_told_and_not_more() -> Result<()> {
    let server = TestServer::start().await?;
    server.client("alice").await?;
    let subscription = Browser::new().subscription("https://push.example.com/x");
    for n in 1..=21 {
        let alice = server.sign_in("alice").await?;
        let subscribed = alice.put("/notifications/browser", subscription.clone()).await;
        assert_eq!(subscribed.is_ok(), n <= 20, "{n}");
    }
    Ok(())
}

#[tokio::test]
async fn what_was_not_taken_is_sent_again_also_by_a_server_that_was_restarted() -> Result<()> {
    let mut stage = stage(true).await?;
    let mut gotify = Receiver::gotify().await?;
    own_gotify(&stage.bob, &gotify).await?;
    gotify.answer([Answer::Status(500), Answer::Status(503)]);
    stage.say().await?;
    gotify.next().await?;
    stage.carol_hears().await?;
    let mut stage = stage.restart().await?;
    let mut attempts = 1;
    let server = &stage.server;
    let mut came = Vec::new();
    // The first wait is 5 s, the second 10 s; each step passes one of them.
    eventually("the third attempt", async || {
        server.advance(Duration::from_secs(15));
        came.extend(gotify.rest());
        came.len() == 2
    })
    .await;
    attempts += came.len();
    assert_eq!(attempts, 3);
    assert_eq!(came[1].json()["message"], "alice wrote in Test.");
    settled(&stage.bob).await;
    // Taken: it comes no more, and neither does what Carol had before.
    stage.carol_is_told().await?;
    gotify.next().await?;
    assert!(gotify.rest().is_empty() && stage.of_carol.rest().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_place_that_asks_for_time_gets_it_and_one_that_refuses_is_not_asked_again() -> Result<()> {
    let mut stage = stage(true).await?;
    let mut gotify = Receiver::gotify().await?;
    own_gotify(&stage.bob, &gotify).await?;
    gotify.answer([Answer::Busy(429, 1_800)]);
    stage.say().await?;
    gotify.next().await?;
    stage.carol_hears().await?;
    // However often others are told meanwhile, it is not asked before its half an hour is over.
    let mut passed = Duration::ZERO;
    while gotify.rest().is_empty() {
        assert!(passed < Duration::from_secs(7_200), "it never came");
        stage.server.advance(Duration::from_secs(300));
        stage.carol_is_told().await?;
        passed += Duration::from_secs(361);
    }
    assert!(passed >= Duration::from_secs(1_800), "{passed:?}");
    settled(&stage.bob).await;

    gotify.answer([Answer::Status(400)]);
    stage.carol_is_told().await?;
    gotify.next().await?;
    // From here on nothing new is told to Bob.
    stage
        .bob
        .put("/notifications/preferences", json!({"muted": true}))
        .await?;
    for _ in 0..2 {
        stage.server.advance(Duration::from_secs(3_600));
        stage.carol_is_told().await?;
    }
    assert!(gotify.rest().is_empty(), "a refused notice came again");
    Ok(())
}

#[tokio::test]
async fn a_dead_place_delays_nobody() -> Result<()> {
    let mut stage = stage(true).await?;
    let mut dead = Receiver::gotify().await?;
    own_gotify(&stage.bob, &dead).await?;
    dead.answer(std::iter::repeat_n(Answer::Silence, 20));
    stage.say().await?;
    dead.next().await?;
    stage.carol_hears().await?;
    let begun = Instant::now();
    for _ in 0..3 {
        stage.carol_is_told().await?;
    }
    let elapsed = begun.elapsed();
    assert!(
        elapsed < Duration::from_secs(8),
        "{elapsed:?}: behind an attempt that takes 10 s"
    );
    let begun = Instant::now();
    stage.server.drain().await;
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "and the end of the server is not held up"
    );
    println!("three notices beside a dead place in {elapsed:?}");
    Ok(())
}

#[tokio::test]
async fn users_do_not_make_the_server_write_into_closed_networks() -> Result<()> {
    let stage = stage(false).await?;
    let mut inside = Receiver::gotify().await?;
    let port = inside.address.port();
    let mut refused_at_once = 0;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "169.254.169.254",
    ] {
        let url = format!("http://{host}:{port}");
        let browser = Browser::new().subscription(&format!("{url}/push"));
        let gotify = json!({"gotify": {"url": url, "token": "t"}});
        let ntfy = json!({"ntfy": {"url": url, "topic": "t"}});
        let asked = [
            stage.bob.put("/notifications/preferences", gotify).await,
            stage.bob.put("/notifications/preferences", ntfy).await,
            stage.bob.put("/notifications/browser", browser).await,
        ];
        for answer in asked {
            assert!(answer.unwrap_err().detail.contains("closed network"), "{host}");
            refused_at_once += 1;
        }
    }
    // A name is judged by what it resolves to when the connection is made.
    let named = json!({"gotify": {"url": format!("http://localhost:{port}"), "token": GOTIFY_TOKEN}});
    stage.bob.put("/notifications/preferences", named).await?;
    let tested = stage.bob.post("/notifications/test", json!({})).await?;
    let detail = tested["results"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("closed network"), "{tested}");
    assert!(inside.rest().is_empty());
    println!(
        "{refused_at_once} addresses refused when they were named, a name when it was used; 0 requests arrived"
    );
    Ok(())
}

#[tokio::test]
async fn a_redirect_leads_nowhere() -> Result<()> {
    let stage = stage(true).await?;
    let (gotify, mut inside) = (Receiver::gotify().await?, Receiver::gotify().await?);
    own_gotify(&stage.bob, &gotify).await?;
    gotify.answer([Answer::Redirect(format!("{}/message", inside.url()))]);
    let tested = stage.bob.post("/notifications/test", json!({})).await?;
    assert!(
        tested["results"][0]["detail"].as_str().unwrap().contains("302"),
        "{tested}"
    );
    assert!(inside.rest().is_empty());
    Ok(())
}

#[tokio::test]
async fn t11_secrets_of_notifications_reach_no_log() -> Result<()> {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let mut gotify = Receiver::gotify().await?;
    let (mut ntfy, mut service) = (Receiver::ntfy().await?, Receiver::push().await?);
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_mesh-server"))
        .args(["--listen", "127.0.0.1:0"])
        .current_dir(dir.path())
        .env_clear()
        .envs([("RUST_LOG", "trace"), ("MESH_NOTIFY_PRIVATE_ADDRESSES", "on")])
        .envs([
            ("GOTIFY_URL", gotify.url()),
            ("GOTIFY_TOKEN", GOTIFY_TOKEN.to_owned()),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log)?)
        .spawn()?;
    let (mut setup, mut url) = (String::new(), String::new());
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line?;
        if let Some(at) = line.strip_prefix("Listening on ") {
            url = at.to_owned();
            break;
        }
        setup = line.split_once("#token=").unwrap().1.to_owned();
    }
    let mut alice = TestClient::new(&url);
    let body = json!({"setup_token": setup, "username": "alice", "password": "a long sentence"});
    let session: Value = alice.post("/auth/setup", body).await?;
    alice.adopt(&session);
    let mut outcomes = 0;
    let mut test = async |places: Value| -> Result<()> {
        alice.put("/notifications/preferences", places).await?;
        let tested = alice.post("/notifications/test", json!({})).await?;
        outcomes += tested["results"].as_array().unwrap().len();
        Ok(())
    };
    test(json!({})).await?;
    gotify.next().await?;
    test(json!({"ntfy": {"url": ntfy.url(), "topic": "canary-topic", "token": NTFY_TOKEN}})).await?;
    ntfy.next().await?;
    ntfy.answer([Answer::Status(500)]);
    let wrong = json!({"gotify": {"token": "canary-wrong"}});
    test(wrong).await?;
    let endpoint = format!("{}/canary-endpoint", service.url());
    alice
        .put("/notifications/browser", Browser::new().subscription(&endpoint))
        .await?;
    test(json!({"gotify": null, "ntfy": {"url": "http://127.0.0.1:9/canary-path", "topic": "t"}})).await?;
    service.next().await?;
    child.kill()?;
    child.wait()?;
    let log = std::fs::read_to_string(&log)?;
    assert!(log.contains("/notifications/test"), "the log is on");
    assert_eq!(outcomes, 6);
    for secret in ["canary", GOTIFY_TOKEN, NTFY_TOKEN] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    println!(
        "{outcomes} places tried with secrets: none in {} bytes of log",
        log.len()
    );
    Ok(())
}

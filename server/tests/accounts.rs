//! Accounts, sessions, rooms and invitations over REST: who may, who may not, and what each answer looks like.

use std::time::{Duration, Instant};

use anyhow::Result;
use mesh_testkit::{PASSWORD, TestServer};
use serde_json::{Value, json};

#[tokio::test]
async fn wrong_passwords_are_throttled_and_tell_nothing() -> Result<()> {
    let server = TestServer::start().await?;
    server.add_user("alice").await?;
    let mut guesser = server.stranger();
    for name in ["alice", "nobody"] {
        let first = guesser.login(name, "wrong password").await.unwrap_err();
        assert_eq!((first.status, first.code.as_str()), (401, "WRONG_CREDENTIALS"));
        assert_eq!(first.detail, "the name or the password is wrong");
        let mut codes = Vec::new();
        for _ in 0..19 {
            codes.push(guesser.login(name, "wrong password").await.unwrap_err().status);
        }
        assert!(codes.contains(&429), "{name}: {codes:?}");
    }
    assert_eq!(
        guesser.login("alice", PASSWORD).await.unwrap_err().code,
        "THROTTLED",
        "even the right one waits"
    );
    let bob = server.client("bob").await?;
    for _ in 0..30 {
        server.sign_in("bob").await?;
    }
    assert_eq!(
        bob.get("/me").await?["name"],
        "bob",
        "the right password is never slowed down"
    );
    for (name, password) in [("", "x"), ("x", "")] {
        assert_eq!(guesser.login(name, password).await.unwrap_err().status, 400);
    }
    Ok(())
}

#[tokio::test]
async fn an_invitation_raced_by_fifty_lets_in_its_count() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = alice.create_room("Party").await?;
    let invite = alice
        .post(&format!("/rooms/{room}/invites"), json!({"max_uses": 3}))
        .await?;
    let expected = format!(
        "{}/invite#token={}",
        server.url(),
        invite["token"].as_str().unwrap_or_default()
    );
    assert_eq!(invite["url"], expected);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let client = server.client(&format!("u{n}")).await?;
        let token = invite["token"].clone();
        tasks.spawn(async move {
            client
                .post("/rooms/join", json!({"invite": token}))
                .await
                .map_err(|e| e.code)
        });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 3);
    assert_eq!(
        results
            .iter()
            .filter(|r| **r == Err("INVITE_INVALID".into()))
            .count(),
        47
    );
    let members = alice.get(&format!("/rooms/{room}/members")).await?;
    assert_eq!(members["members"].as_array().map(Vec::len), Some(4));
    Ok(())
}

#[tokio::test]
async fn registration_needs_a_good_invitation() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = alice.create_room("Home").await?;
    let path = format!("/rooms/{room}/invites");
    let register = async |invite: &Value, name: &str, password: &str| {
        server
            .stranger()
            .post(
                "/auth/register",
                json!({"invite": invite, "username": name, "password": password}),
            )
            .await
    };
    let one = alice.post(&path, json!({})).await?;
    for (name, password, code) in [
        ("alice", "long enough", "NAME_TAKEN"),
        ("bob", "short", "BAD_REQUEST"),
        ("b\u{202E}ob", "long enough", "BAD_REQUEST"),
    ] {
        assert_eq!(
            register(&one["token"], name, password).await.unwrap_err().code,
            code,
            "{name}"
        );
    }
    let session = register(&one["token"], "bob", "long enough").await?;
    assert_eq!(session["name"], "bob");
    assert_eq!(
        register(&one["token"], "carol", "long enough")
            .await
            .unwrap_err()
            .code,
        "INVITE_INVALID"
    );
    let late = alice.post(&path, json!({"expires_in": 60})).await?;
    let revoked = alice.post(&path, json!({"max_uses": 5, "role": "guest"})).await?;
    assert_eq!(
        alice.get(&path).await?["invites"].as_array().map(Vec::len),
        Some(2)
    );
    alice
        .delete(&format!(
            "{path}/{}",
            revoked["invite_id"].as_str().unwrap_or_default()
        ))
        .await?;
    server.advance(Duration::from_secs(61));
    for token in [&late["token"], &revoked["token"], &json!("unknown")] {
        assert_eq!(
            register(token, "dave", "long enough").await.unwrap_err().code,
            "INVITE_INVALID"
        );
    }
    Ok(())
}

#[tokio::test]
async fn roles_decide_who_decides() -> Result<()> {
    let server = TestServer::start().await?;
    let (owner, moderator, member) = (
        server.client("owner").await?,
        server.client("moderator").await?,
        server.client("member").await?,
    );
    let room = server.room(&owner, &[&moderator, &member]).await?;
    let seat = |client: &mesh_testkit::TestClient| format!("/rooms/{room}/members/{}", client.user_id);
    owner.put(&seat(&moderator), json!({"role": "moderator"})).await?;
    let invites = format!("/rooms/{room}/invites");
    assert_eq!(
        member.post(&invites, json!({})).await.unwrap_err().code,
        "FORBIDDEN"
    );
    assert_eq!(
        moderator
            .post(&invites, json!({"role": "owner"}))
            .await
            .unwrap_err()
            .code,
        "FORBIDDEN"
    );
    moderator.post(&invites, json!({"role": "member"})).await?;
    assert_eq!(
        moderator.delete(&seat(&owner)).await.unwrap_err().code,
        "FORBIDDEN"
    );
    assert_eq!(
        member
            .put(&seat(&member), json!({"role": "owner"}))
            .await
            .unwrap_err()
            .code,
        "FORBIDDEN"
    );
    moderator.put(&seat(&member), json!({"role": "guest"})).await?;
    assert_eq!(
        moderator
            .put(&seat(&member), json!({"role": "moderator"}))
            .await
            .unwrap_err()
            .code,
        "FORBIDDEN"
    );
    assert_eq!(
        owner
            .post(&format!("/rooms/{room}/leave"), json!({}))
            .await
            .unwrap_err()
            .code,
        "FORBIDDEN"
    );
    assert_eq!(
        moderator
            .patch(&format!("/rooms/{room}"), json!({"name": "x"}))
            .await
            .unwrap_err()
            .code,
        "FORBIDDEN"
    );
    assert_eq!(
        owner
            .patch(&format!("/rooms/{room}"), json!({"name": "New"}))
            .await?["name"],
        "New"
    );
    member.post(&format!("/rooms/{room}/leave"), json!({})).await?;
    assert_eq!(
        member.get(&format!("/rooms/{room}")).await.unwrap_err().code,
        "ROOM_NOT_FOUND"
    );
    owner.delete(&format!("/rooms/{room}")).await?;
    assert_eq!(owner.get("/rooms").await?, json!({"rooms": []}));
    Ok(())
}

#[tokio::test]
async fn the_same_key_is_the_same_device() -> Result<()> {
    let server = TestServer::start().await?;
    server.add_user("alice").await?;
    let login = async |device: Value| {
        let body = json!({"username": "alice", "password": PASSWORD, "device": device});
        server.stranger().post("/auth/login", body).await
    };
    let key = "A".repeat(43);
    let first = login(json!({"name": "Desk", "kind": "agent", "key": key})).await?;
    let second = login(json!({"name": "Desk", "kind": "agent", "key": key})).await?;
    assert_eq!(first["device_id"], second["device_id"]);
    assert_ne!(
        first["device_id"],
        login(json!({"name": "Desk", "kind": "page"})).await?["device_id"]
    );
    assert_eq!(
        login(json!({"name": "Desk", "kind": "page", "key": "short"}))
            .await
            .unwrap_err()
            .code,
        "BAD_REQUEST"
    );
    assert_eq!(
        login(json!({"name": "Desk", "kind": "toaster"}))
            .await
            .unwrap_err()
            .code,
        "BAD_REQUEST"
    );
    Ok(())
}

#[tokio::test]
async fn every_response_has_the_security_headers() -> Result<()> {
    let server = TestServer::start().await?;
    let client = server.stranger();
    let expected = [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob: data:; \
media-src 'self' blob:; style-src 'self' 'unsafe-inline'; font-src 'self'; worker-src 'self'; manifest-src 'self'; \
frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ),
        ("cross-origin-opener-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ];
    for (path, accept, status) in [
        ("/", "text/html", 200),
        ("/rooms/x", "text/html", 200),
        ("/rooms/x", "*/*", 401),
        ("/health", "*/*", 200),
        ("/nothing.js", "*/*", 404),
        ("/ws", "*/*", 401),
        ("/auth/login", "*/*", 404),
        ("/.well-known/jwks.json", "*/*", 200),
    ] {
        let answer = client
            .http()
            .get(client.at(path))
            .header("accept", accept)
            .send()
            .await?;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        for (name, value) in expected {
            assert_eq!(
                answer.headers().get_all(name).iter().collect::<Vec<_>>(),
                [value],
                "{path} {name}"
            );
        }
        assert!(
            answer.headers().contains_key("x-request-id")
                && answer.headers().contains_key("permissions-policy")
        );
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
        if status >= 400 {
            assert_eq!(
                answer.headers()["content-type"],
                "application/problem+json",
                "{path}"
            );
        }
    }
    let large = client
        .http()
        .post(client.at("/auth/login"))
        .header("content-type", "application/json");
    let answer = large.body(" ".repeat(64 * 1024 + 1)).send().await?;
    assert_eq!(answer.status().as_u16(), 413);
    assert_eq!(answer.json::<Value>().await?["code"], "TOO_LARGE");
    Ok(())
}

#[tokio::test]
async fn the_open_sign_in_of_development_is_off_by_default() -> Result<()> {
    let server = TestServer::start().await?;
    assert_eq!(
        server
            .stranger()
            .login("anyone", "anything")
            .await
            .unwrap_err()
            .status,
        401
    );
    let open = TestServer::builder()
        .config(|c| c.dev_login = true)
        .start()
        .await?;
    let mut anyone = open.stranger();
    anyone.login("anyone", "anything").await?;
    let first = anyone.user_id.clone();
    anyone.login("ANYONE", "something else").await?;
    assert_eq!(anyone.user_id, first);
    assert_eq!(open.stranger().login("", "x").await.unwrap_err().status, 400);
    Ok(())
}

#[tokio::test]
async fn a_burst_of_sign_ins_leaves_the_relay_alone() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let mut socket = alice.join(&room).await?;
    let mut burst = tokio::task::JoinSet::new();
    for n in 0..100 {
        let mut client = server.stranger();
        // Unknown names: each costs a full hash.
        burst.spawn(async move {
            client
                .login(&format!("nobody{n}"), "wrong password")
                .await
                .unwrap_err()
                .status
        });
    }
    let mut echoes = 0;
    while !burst.is_empty() {
        let sent = Instant::now();
        socket
            .send("chat.typing", json!({"room_id": room, "typing": true}))
            .await?;
        socket.expect("chat.typing").await?;
        assert!(
            sent.elapsed() < Duration::from_secs(2),
            "the relay waited for password hashes"
        );
        echoes += 1;
        tokio::time::sleep(Duration::from_millis(40)).await;
        while let Some(status) = burst.try_join_next() {
            assert!(matches!(status?, 401 | 429));
        }
    }
    assert!(echoes > 1);
    Ok(())
}

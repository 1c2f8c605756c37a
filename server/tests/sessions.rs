//! Sessions: listed, ended in every way there is, and with them their sockets and what was open over them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use mesh_protocol::ids::RoomId;
use mesh_server::store::SignInId;
use mesh_testkit::{Closed, PASSWORD, Socket, TestClient, TestServer};
use serde_json::json;

const NEW_PASSWORD: &str = "quite another sentence";

async fn current(client: &TestClient) -> Result<String> {
    let sessions = client.get("/auth/sessions").await?;
    let own = sessions["sessions"]
        .as_array()
        .and_then(|sessions| sessions.iter().find(|session| session["current"] == true));
    Ok(own.context("no current session")?["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

/// A sign-in of alice with a socket in the room, in a call with `bob`.
async fn in_a_call(
    server: &TestServer,
    room: &RoomId,
    bob: &mut Socket,
    call: &str,
) -> Result<(TestClient, Socket)> {
    let client = server.sign_in("alice").await?;
    let mut socket = client.join(room).await?;
    let bound = json!({"target_peer_id": bob.peer_id, "session_id": call});
    let token = client.cap(room, &socket.peer_id, &["call"], bound).await?;
    let request = json!({"room_id": room, "target": bob.peer_id, "session_id": call, "cap_token": token});
    socket.send("call.request", request).await?;
    bob.expect("call.request").await?;
    Ok((client, socket))
}

#[tokio::test]
async fn t9_however_a_session_ends_its_sockets_and_what_was_open_end_within_5_s() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let mut far = bob.join(&room).await?;
    let store = server.store();
    let mut slowest = Duration::ZERO;
    let ways = [
        "logout",
        "revocation",
        "removal",
        "password",
        "reset",
        "elsewhere",
        "expiry",
    ];
    for way in ways {
        let (client, mut socket) = in_a_call(&server, &room, &mut far, way).await?;
        let id = SignInId(current(&client).await?);
        let user = client.user_id.parse()?;
        let now = server.now() * 1_000 + 999;
        let begun = Instant::now();
        match way {
            "logout" => drop(client.post("/auth/logout", json!({})).await?),
            "revocation" => drop(alice.delete(&format!("/auth/sessions/{}", id.0)).await?),
            "removal" => drop(alice.delete(&format!("/devices/{}", client.device_id)).await?),
            "password" => {
                let change = json!({"old_password": PASSWORD, "new_password": NEW_PASSWORD});
                alice.patch("/me", change).await?;
                let back = json!({"old_password": NEW_PASSWORD, "new_password": PASSWORD});
                alice.patch("/me", back).await?;
            }
            // By another process: only the database knows.
            "elsewhere" => store.end_sign_in(&user, &id, now).await?,
            "reset" => {
                let hash = store.user(&user).await?.context("alice")?.password_hash;
                let keep = SignInId(current(&alice).await?);
                drop(
                    store
                        .change_password(&user, hash.as_deref(), Some(&keep), now)
                        .await?,
                );
            }
            _ => server.advance(Duration::from_secs(31 * 24 * 3_600)),
        }
        assert_eq!(socket.closed().await, Closed(Some(4401)), "{way}");
        if way != "expiry" {
            let revoked = far.expect("cap.revoked").await?;
            assert_eq!(revoked["payload"]["session_id"], way);
            assert_eq!(revoked["payload"]["reason"], "sign_in_ended");
        }
        slowest = slowest.max(begun.elapsed());
        assert_eq!(
            client.get("/me").await.unwrap_err().code,
            "UNAUTHENTICATED",
            "{way}"
        );
    }
    println!(
        "{} ways to end a session: sockets and calls gone after at most {slowest:?}",
        ways.len()
    );
    assert!(slowest < Duration::from_secs(5));
    Ok(())
}

#[tokio::test]
async fn sessions_are_listed_with_where_they_are_used_from() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let phone = server.sign_in("alice").await?;
    let seen = phone
        .http()
        .get(phone.at("/me"))
        .bearer_auth(&phone.token)
        .header("x-forwarded-for", "203.0.113.9");
    assert!(seen.send().await?.status().is_success());
    let sessions = alice.get("/auth/sessions").await?;
    let mut addresses: Vec<_> = sessions["sessions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|session| (session["current"].as_bool(), session["address"].as_str()))
        .collect();
    addresses.sort();
    assert_eq!(
        addresses,
        [
            (Some(false), Some("203.0.113.9")),
            (Some(true), Some("127.0.0.1"))
        ]
    );
    let bob = server.client("bob").await?;
    let foreign = format!("/auth/sessions/{}", current(&alice).await?);
    assert_eq!(bob.delete(&foreign).await.unwrap_err().code, "NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_the_old_one() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let change = async |old: Option<&str>, new: &str| {
        let mut body = json!({"new_password": new});
        if let Some(old) = old {
            body["old_password"] = json!(old);
        }
        alice.patch("/me", body).await
    };
    let link = alice.post("/auth/links", json!({})).await?;
    assert_eq!(
        change(Some(PASSWORD), "short").await.unwrap_err().code,
        "BAD_REQUEST"
    );
    assert_eq!(
        change(None, NEW_PASSWORD).await.unwrap_err().code,
        "WRONG_CREDENTIALS"
    );
    assert_eq!(
        change(Some("wrong"), NEW_PASSWORD).await.unwrap_err().code,
        "WRONG_CREDENTIALS"
    );
    change(Some(PASSWORD), NEW_PASSWORD).await?;
    alice.get("/me").await?;
    let old = server.stranger().login("alice", PASSWORD).await;
    assert_eq!(old.unwrap_err().code, "WRONG_CREDENTIALS");
    server.stranger().login("alice", NEW_PASSWORD).await?;
    let used = server
        .stranger()
        .post("/auth/link", json!({"token": link["token"]}))
        .await;
    assert_eq!(used.unwrap_err().code, "LINK_INVALID");
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(change(Some("wrong"), PASSWORD).await.unwrap_err().code);
    }
    assert!(codes.contains(&"THROTTLED".to_owned()), "{codes:?}");
    // After a reset by the operator there is none, and the next one is set without it.
    let bob = server.client("bob").await?;
    let own = SignInId(current(&bob).await?);
    let user = bob.user_id.parse()?;
    server
        .store()
        .change_password(&user, None, Some(&own), server.now() * 1_000)
        .await?;
    assert_eq!(bob.get("/me").await?["has_password"], false);
    bob.patch("/me", json!({"new_password": NEW_PASSWORD})).await?;
    assert_eq!(bob.get("/me").await?["has_password"], true);
    Ok(())
}

#[tokio::test]
async fn without_local_login_no_password_counts_and_everything_else_does() -> Result<()> {
    let server = TestServer::builder()
        .config(|config| config.local_login = false)
        .start()
        .await?;
    server.add_user("alice").await?;
    let refused = server.stranger().login("alice", PASSWORD).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (403, "LOCAL_LOGIN_OFF"));
    let user = server.store().user_by_name("alice").await?.context("alice")?;
    let token = mesh_server::auth::random::token();
    let now = server.now() * 1_000;
    let hash = mesh_server::auth::random::hash(&token);
    server
        .store()
        .create_link(&hash, &user.id, now + 60_000, now)
        .await?;
    let mut alice = server.stranger();
    let session = alice.post("/auth/link", json!({"token": token})).await?;
    alice.adopt(&session);
    let room = alice.create_room("Home").await?;
    let invite = alice
        .post(&format!("/rooms/{room}/invites"), json!({"guest": true}))
        .await?;
    let register = json!({"invite": invite["token"], "username": "bob", "password": NEW_PASSWORD});
    let change = json!({"old_password": PASSWORD, "new_password": NEW_PASSWORD});
    let refused = [
        server.stranger().post("/auth/register", register).await,
        alice.patch("/me", change).await,
    ];
    for refused in refused {
        assert_eq!(refused.unwrap_err().code, "LOCAL_LOGIN_OFF");
    }
    let guest = json!({"invite": invite["token"], "name": "Bob"});
    server.stranger().post("/auth/guest", guest).await?;
    Ok(())
}

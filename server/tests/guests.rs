//! Guests: one room, a name, no account, and gone with the membership.

use anyhow::Result;
use mesh_protocol::ids::RoomId;
use mesh_testkit::{Closed, RestError, TestClient, TestServer};
use serde_json::{Value, json};

async fn invite(owner: &TestClient, room: &RoomId, body: Value) -> Result<String> {
    let invite = owner.post(&format!("/rooms/{room}/invites"), body).await?;
    Ok(invite["token"].as_str().unwrap_or_default().to_owned())
}

async fn enter(server: &TestServer, invite: &str, name: &str) -> Result<TestClient, RestError> {
    let mut guest = server.stranger();
    let body = json!({"invite": invite, "name": name});
    let session = guest.post("/auth/guest", body).await?;
    guest.adopt(&session);
    Ok(guest)
}

#[tokio::test]
async fn a_guest_reaches_one_room_and_nothing_else() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let (room, other) = (
        alice.create_room("Party").await?,
        alice.create_room("Other").await?,
    );
    let open = invite(
        &alice,
        &room,
        json!({"guest": true, "max_uses": 3, "role": "moderator"}),
    )
    .await?;
    let shown = server
        .stranger()
        .post("/auth/invite", json!({"invite": open}))
        .await?;
    assert_eq!(shown, json!({"room_name": "Party", "guest": true}));
    let guest = enter(&server, &open, "Ann").await?;
    let me = guest.get("/me").await?;
    assert_eq!(
        (&me["name"], &me["guest"], &me["has_password"]),
        (&json!("Ann"), &json!(true), &json!(false))
    );
    let rooms = guest.get("/rooms").await?;
    assert_eq!(rooms["rooms"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        rooms["rooms"][0]["role"], "guest",
        "whatever the invitation gives to accounts"
    );
    let mut socket = guest.join(&room).await?;
    guest.cap(&room, &socket.peer_id, &["call"], json!({})).await?;
    assert_eq!(
        socket
            .error_of("room.join", json!({"room_id": other}))
            .await?
            .as_deref(),
        Some("ROOM_NOT_FOUND")
    );
    assert_eq!(
        guest.get(&format!("/rooms/{other}")).await.unwrap_err().code,
        "ROOM_NOT_FOUND"
    );
    let second = invite(&alice, &other, json!({"guest": true})).await?;
    for (method, path, body) in [
        ("POST", "/rooms", json!({"name": "Mine"})),
        ("POST", "/rooms/join", json!({"invite": second})),
        ("POST", &format!("/rooms/{other}/join"), json!({"invite": second})),
        ("POST", "/auth/links", json!({})),
        ("PATCH", "/me", json!({"new_password": "a long password"})),
        ("POST", "/auth/device/request", json!({"user_code": "BCDF-GHJK"})),
        ("POST", "/auth/device/approve", json!({"user_code": "BCDF-GHJK"})),
        ("POST", &format!("/rooms/{room}/invites"), json!({})),
    ] {
        let refused = guest
            .request(method.parse()?, path, Some(body))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.status, refused.code.as_str()),
            (403, "FORBIDDEN"),
            "{method} {path}"
        );
    }
    let seat = format!("/rooms/{room}/members/{}", guest.user_id);
    let promoted = alice.put(&seat, json!({"role": "member"})).await.unwrap_err();
    assert_eq!(promoted.code, "FORBIDDEN", "who has no account stays a guest");
    // Nobody signs in as a guest from elsewhere, and nobody passes for somebody in the room.
    for name in ["Ann", &format!("\u{1}{}", guest.user_id)] {
        assert_eq!(
            server.stranger().login(name, "x").await.unwrap_err().code,
            "WRONG_CREDENTIALS"
        );
    }
    for taken in ["ALICE", "ann"] {
        assert_eq!(enter(&server, &open, taken).await.unwrap_err().code, "NAME_TAKEN");
    }
    let closed = invite(&alice, &room, json!({})).await?;
    assert_eq!(
        enter(&server, &closed, "Ben").await.unwrap_err().code,
        "FORBIDDEN"
    );
    assert_eq!(
        enter(&server, "unknown", "Ben").await.unwrap_err().code,
        "INVITE_INVALID"
    );
    Ok(())
}

#[tokio::test]
async fn a_removed_guest_is_gone_and_does_not_come_back_by_the_same_link() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = alice.create_room("Party").await?;
    let open = invite(&alice, &room, json!({"guest": true, "max_uses": 10})).await?;
    let (ann, ben) = (
        enter(&server, &open, "Ann").await?,
        enter(&server, &open, "Ben").await?,
    );
    let (mut first, mut second) = (ann.join(&room).await?, ben.join(&room).await?);
    // Ben leaves by himself: the link stays good.
    ben.post(&format!("/rooms/{room}/leave"), json!({})).await?;
    assert_eq!(second.closed().await, Closed(Some(4401)));
    assert_eq!(ben.get("/me").await.unwrap_err().code, "UNAUTHENTICATED");
    let eve = enter(&server, &open, "Eve").await?;
    alice
        .delete(&format!("/rooms/{room}/members/{}", ann.user_id))
        .await?;
    assert_eq!(first.closed().await, Closed(Some(4401)));
    assert_eq!(ann.get("/me").await.unwrap_err().code, "UNAUTHENTICATED");
    for name in ["Ann", "Another"] {
        assert_eq!(
            enter(&server, &open, name).await.unwrap_err().code,
            "INVITE_INVALID"
        );
    }
    let register = json!({"invite": open, "username": "ann", "password": "a long password"});
    let refused = server
        .stranger()
        .post("/auth/register", register)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "INVITE_INVALID", "nor with an account");
    eve.get(&format!("/rooms/{room}")).await?;
    Ok(())
}

#[tokio::test]
async fn a_guest_who_signs_out_or_whose_room_is_deleted_leaves_nothing_behind() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = alice.create_room("Party").await?;
    let open = invite(&alice, &room, json!({"guest": true, "max_uses": 10})).await?;
    let (ann, ben) = (
        enter(&server, &open, "Ann").await?,
        enter(&server, &open, "Ben").await?,
    );
    let (mut first, mut second) = (ann.join(&room).await?, ben.join(&room).await?);
    ann.post("/auth/logout", json!({})).await?;
    assert_eq!(first.closed().await, Closed(Some(4401)));
    let members = alice.get(&format!("/rooms/{room}/members")).await?;
    assert_eq!(members["members"].as_array().map(Vec::len), Some(2));
    alice.delete(&format!("/rooms/{room}")).await?;
    assert_eq!(second.closed().await, Closed(Some(4401)));
    assert_eq!(ben.get("/me").await.unwrap_err().code, "UNAUTHENTICATED");
    Ok(())
}

//! The record of a room: who asked for, got, used and took back what, for those who may see it, and no content.

use std::time::Duration;

use crate::common::{payload, stage};
use anyhow::{Context as _, Result};
use mesh_testkit::{TestClient, TestServer, eventually};
use serde_json::{Value, json};

async fn entries(client: &TestClient, room: &str) -> Result<Vec<Value>> {
    let page = client.get(&format!("/rooms/{room}/audit")).await?;
    Ok(page["entries"].as_array().context("entries")?.clone())
}

/// Waits until the record has so many entries; newest first.
async fn recorded(client: &TestClient, room: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    eventually("the record", async || {
        found = entries(client, room).await.unwrap_or_default();
        found.len() >= count
    })
    .await;
    assert_eq!(found.len(), count, "{found:#?}");
    found
}

fn acts(entries: &[Value]) -> Vec<&str> {
    entries
        .iter()
        .rev()
        .map(|entry| entry["act"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_capability_is_followed_from_the_question_to_its_end() -> Result<()> {
    let mut s = stage().await?;
    let room = s.room.to_string();
    // The invitation, and who came by it.
    let before = recorded(&s.alice, &room, 2).await;
    assert_eq!(acts(&before), ["invite.created", "member.joined"]);
    let target = json!({"target_peer_id": s.a.peer_id, "session_id": "secret-free"});
    let token = s
        .bob
        .cap(&s.room, &s.b.peer_id, &["terminal:view"], target)
        .await?;
    let request = payload(
        "terminal.share.request",
        &s.room,
        Some(&s.a.peer_id),
        "secret-free",
        Some(&token),
    );
    // Used a hundred times, recorded once.
    for _ in 0..100 {
        assert_eq!(
            s.b.error_of("terminal.share.request", request.clone()).await?,
            None
        );
    }
    let refused = json!({"target_peer_id": s.c.peer_id});
    assert!(
        s.bob
            .cap(&s.room, &s.b.peer_id, &["call"], refused)
            .await
            .is_err()
    );
    s.alice
        .post("/caps/revoke", json!({"session_id": "secret-free"}))
        .await?;
    let all = recorded(&s.alice, &room, 6).await;
    let names = [
        "capability.granted",
        "capability.used",
        "capability.refused",
        "capability.revoked",
    ];
    assert_eq!(&acts(&all)[2..], names);
    let [revoked, refused, used, granted, ..] = &all[..] else {
        unreachable!()
    };
    for entry in [granted, used] {
        assert_eq!(entry["actor"]["name"], "bob");
        assert_eq!(entry["actor"]["user_id"], s.bob.user_id);
        assert_eq!(entry["actor"]["device_id"], s.bob.device_id);
        assert_eq!(entry["actor"]["peer_id"], json!(s.b.peer_id));
        assert_eq!(entry["target"]["name"], "alice");
        assert_eq!(entry["capabilities"], json!(["terminal:view"]));
        assert_eq!(entry["session_id"], "secret-free");
        assert_eq!(entry["jti"], granted["jti"]);
        assert!(entry["at"].as_u64().unwrap() / 1_000 >= s.server.now() - 10);
    }
    assert_eq!(refused["detail"], "the target is not in this room");
    assert_eq!(
        (&revoked["actor"]["name"], &revoked["session_id"]),
        (&json!("alice"), &json!("secret-free"))
    );
    assert!(!serde_json::to_string(&all)?.contains(&token), "never the token");
    Ok(())
}

#[tokio::test]
async fn what_owners_and_moderators_do_is_recorded_for_them_and_for_nobody_else() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob, eve) = (
        server.client("alice").await?,
        server.client("bob").await?,
        server.client("eve").await?,
    );
    let room = server.room(&alice, &[&bob]).await?.to_string();
    let at = |path: &str| format!("/rooms/{room}/{path}");
    alice
        .put(
            &at(&format!("members/{}", bob.user_id)),
            json!({"role": "moderator"}),
        )
        .await?;
    alice
        .patch(
            &format!("/rooms/{room}"),
            json!({"lobby": true, "name": "hidden words"}),
        )
        .await?;
    let invite = bob.post(&at("invites"), json!({})).await?;
    eve.post("/rooms/join", json!({"invite": invite["token"]}))
        .await?;
    bob.put(&at(&format!("lobby/{}", eve.user_id)), json!({})).await?;
    let other = bob.post(&at("invites"), json!({})).await?;
    bob.delete(&at(&format!("invites/{}", other["invite_id"].as_str().unwrap())))
        .await?;
    alice
        .put(&at(&format!("bans/{}", eve.user_id)), json!({}))
        .await?;
    alice.delete(&at(&format!("bans/{}", eve.user_id))).await?;
    let all = recorded(&bob, &room, 10).await;
    assert_eq!(
        acts(&all),
        [
            "invite.created",
            "member.joined",
            "member.role",
            "room.changed",
            "invite.created",
            "lobby.admitted",
            "invite.created",
            "invite.revoked",
            "member.banned",
            "member.unbanned",
        ]
    );
    let text = serde_json::to_string(&all)?;
    for hidden in [
        "hidden words",
        invite["token"].as_str().unwrap(),
        other["token"].as_str().unwrap(),
    ] {
        assert!(!text.contains(hidden), "{hidden}");
    }
    assert_eq!(all[6]["detail"], "name lobby");
    assert_eq!(
        (&all[1]["actor"]["name"], &all[1]["target"]["name"]),
        (&json!("alice"), &json!("eve"))
    );
    alice
        .put(
            &at(&format!("members/{}", bob.user_id)),
            json!({"role": "member"}),
        )
        .await?;
    assert_eq!(bob.get(&at("audit")).await.unwrap_err().code, "FORBIDDEN");
    assert_eq!(
        bob.get(&at("audit?format=ndjson")).await.unwrap_err().code,
        "FORBIDDEN"
    );
    assert_eq!(eve.get(&at("audit")).await.unwrap_err().code, "ROOM_NOT_FOUND");
    for wrong in [
        "audit?limit=0",
        "audit?limit=101",
        "audit?format=xml",
        "audit?before=x",
    ] {
        assert_eq!(
            alice.get(&at(wrong)).await.unwrap_err().code,
            "BAD_REQUEST",
            "{wrong}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn it_is_read_by_pages_and_exported_whole() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    const MANY: u64 = 1_234;
    for _ in 0..MANY {
        alice
            .patch(&format!("/rooms/{room}"), json!({"locked": false}))
            .await?;
    }
    let room = room.to_string();
    eventually("all of it", async || {
        let newest = alice.get(&format!("/rooms/{room}/audit?limit=1")).await;
        newest.is_ok_and(|page| page["entries"][0]["seq"] == MANY)
    })
    .await;
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        let page = alice
            .get(&format!("/rooms/{room}/audit?limit=100{before}"))
            .await?;
        let page: Vec<u64> = page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["seq"].as_u64().unwrap())
            .collect();
        let Some(last) = page.last() else { break };
        before = format!("&before={last}");
        seen.extend(page);
    }
    assert_eq!(seen, (1..=MANY).rev().collect::<Vec<_>>());
    let request = alice
        .http()
        .get(alice.at(&format!("/rooms/{room}/audit?format=ndjson")));
    let file = request.bearer_auth(&alice.token).send().await?;
    let header = |name: &str| file.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/x-ndjson");
    assert_eq!(
        header("content-disposition"),
        format!("attachment; filename=\"audit-{room}.ndjson\"")
    );
    let text = file.text().await?;
    let lines: Vec<u64> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["seq"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(lines, seen);
    // It goes back so long, and no longer.
    server.advance(Duration::from_secs(29 * 24 * 3_600));
    alice
        .patch(&format!("/rooms/{room}"), json!({"locked": true}))
        .await?;
    server.advance(Duration::from_secs(62 * 24 * 3_600));
    let owner = server.sign_in("alice").await?;
    let left = async || {
        entries(&owner, &room)
            .await
            .map(|entries| entries.len())
            .unwrap_or_default()
    };
    eventually("the old ones to go", async || left().await == 1).await;
    Ok(())
}

#[tokio::test]
async fn an_operator_may_record_nothing() -> Result<()> {
    let server = TestServer::builder()
        .config(|config| config.audit_days = 0)
        .start()
        .await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    alice
        .patch(&format!("/rooms/{room}"), json!({"locked": true}))
        .await?;
    // What was queued is written before the server is gone.
    let server = server.restart().await?;
    let alice = server.sign_in("alice").await?;
    assert!(entries(&alice, room.as_str()).await?.is_empty());
    Ok(())
}

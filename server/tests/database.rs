//! A database that is locked, full or gone: what could not be stored is told, never acknowledged, and costs nobody else.

#![cfg(unix)]

use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::process::Running;
use crate::common::{say, texts};
use anyhow::Result;
use mesh_testkit::{PASSWORD, TestClient, TestServer, eventually};
use serde_json::{Value, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

#[tokio::test]
async fn a_locked_database_refuses_what_it_cannot_store_and_slows_nobody() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let (mut a, mut b) = (alice.join(&room).await?, bob.join(&room).await?);
    let mut writer = alice.join(&room).await?;
    assert_eq!(say(&mut writer, &room, "before").await?, Ok(1));

    let options = SqliteConnectOptions::new().filename(server.data_dir().join("mesh.db"));
    let mut holder = SqliteConnection::connect_with(&options).await?;
    let lock = holder.begin_with("BEGIN EXCLUSIVE").await?;
    let refused = tokio::spawn({
        let room = room.clone();
        async move { say(&mut writer, &room, "during").await.map(|said| (said, writer)) }
    });
    let mut slowest = Duration::ZERO;
    let mut relayed = 0;
    while !refused.is_finished() {
        let begun = Instant::now();
        a.send("chat.typing", json!({"room_id": room, "typing": true}))
            .await?;
        b.expect("chat.typing").await?;
        slowest = slowest.max(begun.elapsed());
        relayed += 1;
        // As fast as a client may.
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let (said, mut writer) = refused.await??;
    assert_eq!(said, Err("STORE_UNAVAILABLE".to_owned()));
    lock.rollback().await?;
    holder.close().await?;
    println!("{relayed} messages relayed while the database was locked, the slowest in {slowest:?}");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
    assert_eq!(
        say(&mut writer, &room, "during").await?,
        Ok(2),
        "the same message, said again"
    );
    assert_eq!(texts(&alice, &room).await?, ["before", "during"]);
    Ok(())
}

#[tokio::test]
async fn a_database_that_is_gone_is_told_and_the_relay_goes_on() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let (mut a, mut b) = (alice.join(&room).await?, bob.join(&room).await?);
    server.store().close().await;
    assert_eq!(
        say(&mut a, &room, "lost").await?,
        Err("STORE_UNAVAILABLE".to_owned())
    );
    for path in ["/rooms".to_owned(), format!("/rooms/{room}/messages")] {
        let refused = alice.get(&path).await.unwrap_err();
        assert_eq!(
            (refused.status, &*refused.code),
            (503, "STORE_UNAVAILABLE"),
            "{path}"
        );
    }
    let health = alice.http().get(alice.at("/health")).send().await?;
    assert_eq!(health.status(), 503);
    assert_eq!(health.json::<Value>().await?["ok"], false);
    a.send("chat.typing", json!({"room_id": room, "typing": true}))
        .await?;
    b.expect("chat.typing").await?;
    let elsewhere = a.error_of("room.join", json!({"room_id": "elsewhere"})).await?;
    assert_eq!(elsewhere.as_deref(), Some("STORE_UNAVAILABLE"));
    Ok(())
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // What a file may not exceed stands for a disk that is full; the signal that comes with it is ignored.
    let server = Running::start_by_shell(dir.path(), "trap '' XFSZ")?;
    let mut alice = TestClient::new(&server.url);
    let account = json!({"setup_token": server.setup_token(), "username": "alice", "password": PASSWORD});
    let session = alice.post("/auth/setup", account).await?;
    alice.adopt(&session);
    let room = alice.create_room("Full").await?;
    let mut socket = alice.join(&room).await?;
    let mut acknowledged = Vec::new();
    let long = |n: usize| format!("{n} {}", "x".repeat(3_000));
    for n in 0..10 {
        say(&mut socket, &room, &long(n)).await?.unwrap();
        acknowledged.push(long(n));
    }
    let limit = |bytes: &str| -> Result<()> {
        let pid = server.child.id().to_string();
        let ended = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])
            .status()?;
        anyhow::ensure!(ended.success(), "prlimit");
        Ok(())
    };
    limit("8192")?;
    for n in 10..15 {
        let refused = say(&mut socket, &room, &long(n)).await?;
        assert_eq!(refused, Err("STORE_UNAVAILABLE".to_owned()), "{n}");
    }
    let refused = alice.create_room("Another").await.unwrap_err();
    assert!(refused.to_string().contains("STORE_UNAVAILABLE"), "{refused}");
    assert_eq!(texts(&alice, &room).await?.len(), 10, "it can still be read");
    limit("unlimited")?;
    eventually("there is space again", async || {
        say(&mut socket, &room, &long(15))
            .await
            .is_ok_and(|said| said.is_ok())
    })
    .await;
    acknowledged.push(long(15));
    assert_eq!(texts(&alice, &room).await?, acknowledged);
    Ok(())
}

//! A server whose database is PostgreSQL: one that is gone, hangs, is read-only or not ours, and the commands beside it.
//!
//! That the store does what it must is in `store_contract.rs`; `MESH_TEST_DATABASE=postgres` runs any other test on PostgreSQL.

#![cfg(unix)]

mod migrate;
mod tls;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::process::{Running, command};
use crate::common::{say, texts};
use anyhow::{Context as _, Result};
use mesh_server::config::Secret;
use mesh_server::store::Store as _;
use mesh_server::store::postgres::PostgresStore;
use mesh_testkit::postgres::{self, Postgres};
use mesh_testkit::{Closed, TestClient, TestServer, eventually};
use serde_json::{Value, json};

const OUTAGE: Duration = Duration::from_secs(10);
/// Within this the server is well again.
const RECOVERY: Duration = Duration::from_secs(5);

/// How a command ended: its code, and all that it said.
fn ended(dir: &Path, url: &str, args: &[&str]) -> Result<(Option<i32>, String)> {
    let output = command(dir)
        .env("MESH_DATABASE_URL", url)
        .args(["--listen", "127.0.0.1:0"])
        .args(args)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8(said)?))
}

async fn health(server: &TestServer) -> Result<u16> {
    Ok(server
        .stranger()
        .http()
        .get(format!("{}/health", server.url()))
        .send()
        .await?
        .status()
        .as_u16())
}

async fn outage(
    name: &str,
    begin: fn(&Postgres) -> Result<()>,
    end: fn(&Postgres) -> Result<()>,
) -> Result<()> {
    let postgres = Postgres::start()?;
    let url = postgres.database().await?;
    let server = TestServer::builder()
        .config(|config| config.database_url = Some(Secret::new(url)))
        .start()
        .await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let (mut writer, mut a, mut b) = (
        alice.join(&room).await?,
        alice.join(&room).await?,
        bob.join(&room).await?,
    );
    let mut acknowledged = Vec::new();
    let mut number = 0;
    for _ in 0..20 {
        number += 1;
        let seq = say(&mut writer, &room, &number.to_string()).await?.unwrap();
        acknowledged.push((seq, number.to_string()));
    }
    begin(&postgres)?;
    let begun = Instant::now();
    let (mut refused, mut unwell, mut slowest) = (0, 0, Duration::ZERO);
    while begun.elapsed() < OUTAGE {
        // The same message until it is taken, as clients do.
        let text = (number + 1).to_string();
        let (said, status) = tokio::join!(say(&mut writer, &room, &text), async {
            let asked = Instant::now();
            let status = health(&server).await;
            slowest = slowest.max(asked.elapsed());
            status
        });
        assert_eq!(
            said?,
            Err("STORE_UNAVAILABLE".to_owned()),
            "acknowledged, and it is gone"
        );
        assert_eq!(status?, 503);
        (refused, unwell) = (refused + 1, unwell + 1);
        a.send("chat.typing", json!({"room_id": room, "typing": true}))
            .await?;
        b.expect("chat.typing").await?;
        // As fast as a client may.
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    end(&postgres)?;
    let back = Instant::now();
    eventually("the server is well again", async || {
        health(&server).await.is_ok_and(|status| status == 200)
    })
    .await;
    let healthy = back.elapsed();
    eventually("it stores again", async || {
        match say(&mut writer, &room, &(number + 1).to_string()).await {
            Ok(Ok(seq)) => {
                acknowledged.push((seq, (number + 1).to_string()));
                true
            }
            _ => false,
        }
    })
    .await;
    let stored = server.store().messages(&room, None, 100).await?;
    let stored: Vec<_> = stored
        .into_iter()
        .map(|message| (message.seq, message.text))
        .collect();
    assert_eq!(stored, acknowledged, "each once, in its order, without a gap");
    println!(
        "t55: {name} for {OUTAGE:?}: {refused} messages refused, 0 acknowledged falsely; {unwell} times unwell, told within \
         {slowest:?}; healthy {healthy:?} after"
    );
    assert!(healthy <= RECOVERY, "{healthy:?}");
    server.drain().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn t55_postgresql_stopped_acknowledges_nothing_falsely_and_is_back_within_5_s() -> Result<()> {
    outage("stopped", Postgres::stop, Postgres::start_again).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t55_postgresql_that_hangs_acknowledges_nothing_falsely_and_is_back_within_5_s() -> Result<()> {
    outage("hung", Postgres::freeze, Postgres::thaw).await
}

const READ_ONLY: &str = "DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
END $$";

#[tokio::test]
async fn a_database_that_becomes_read_only_is_told_and_can_be_read() -> Result<()> {
    let url = postgres::database().await?;
    let server = TestServer::builder()
        .config(|config| config.database_url = Some(Secret::new(url.clone())))
        .start()
        .await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let mut socket = alice.join(&room).await?;
    assert_eq!(say(&mut socket, &room, "before").await?, Ok(1));
    Postgres::execute(&url, READ_ONLY).await?;
    eventually("it is noticed", async || {
        health(&server).await.is_ok_and(|status| status == 503)
    })
    .await;
    eventually("it can be read", async || {
        texts(&alice, &room).await.is_ok_and(|texts| texts == ["before"])
    })
    .await;
    let refused = say(&mut socket, &room, "after").await?;
    assert_eq!(refused, Err("STORE_UNAVAILABLE".to_owned()));
    let dir = tempfile::tempdir()?;
    let (code, said) = ended(dir.path(), &url, &["serve"])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("it is read-only"), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_used_is_told_in_a_sentence_and_without_the_password() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let absent = postgres::database()
        .await?
        .replace("postgres:///", "postgres:///no_");
    for (url, code, sentence) in [
        (
            "postgres://mesh:canary@127.0.0.1:1/mesh",
            1,
            "nobody answers at 127.0.0.1:1",
        ),
        (
            "postgres:///mesh?host=/nowhere&password=canary",
            1,
            "nobody answers at /nowhere",
        ),
        (
            "mysql://mesh:canary@db/mesh",
            2,
            "MESH_DATABASE_URL must be like postgres://",
        ),
        (
            "postgres://mesh@db/mesh?secret=canary",
            2,
            "a parameter \"secret\"",
        ),
        (absent.as_str(), 1, "has no database no_test"),
    ] {
        for args in [&["serve"][..], &["user", "list"], &["doctor"]] {
            let (ended, said) = ended(dir.path(), url, args)?;
            assert_eq!(ended, Some(code), "{said}");
            assert!(said.contains(sentence), "{said}");
            assert!(!said.contains("canary"), "{said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_newer_schema_is_refused() -> Result<()> {
    let url = postgres::database().await?;
    PostgresStore::open(&Secret::new(url.clone()))
        .await?
        .close()
        .await;
    Postgres::execute(&url, "UPDATE schema_version SET version = 99").await?;
    let dir = tempfile::tempdir()?;
    for args in [&["serve"][..], &["doctor"]] {
        let (code, said) = ended(dir.path(), &url, args)?;
        assert_eq!(code, Some(1));
        assert!(
            said.contains("a newer version of Mesh wrote it (schema 99"),
            "{said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_database_of_somebody_else_s_is_refused_and_nothing_half_made_stays() -> Result<()> {
    let url = postgres::database().await?;
    // Made late by the first migration, so that most of it had gone well.
    Postgres::execute(&url, "CREATE TABLE bulletins (theirs INT)").await?;
    let dir = tempfile::tempdir()?;
    let (code, said) = ended(dir.path(), &url, &["serve"])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("it cannot be brought to schema 1"), "{said}");
    assert!(said.contains("Nothing was changed"), "{said}");
    Postgres::execute(&url, "ALTER TABLE bulletins RENAME TO theirs").await?;
    PostgresStore::open(&Secret::new(url)).await?.close().await;
    Ok(())
}

#[tokio::test]
async fn another_encoding_is_refused() -> Result<()> {
    let url = postgres::database().await?;
    Postgres::execute(&url, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0").await?;
    let (_, place) = url.split_once('?').context("a URL")?;
    let dir = tempfile::tempdir()?;
    let (code, said) = ended(dir.path(), &format!("postgres:///latin?{place}"), &["serve"])?;
    Postgres::execute(&url, "DROP DATABASE latin").await?;
    assert_eq!(code, Some(1));
    assert!(said.contains("its encoding is LATIN1"), "{said}");
    Ok(())
}

#[tokio::test]
async fn commands_work_beside_a_server_and_backups_name_another_tool() -> Result<()> {
    let url = postgres::database().await?;
    let dir = tempfile::tempdir()?;
    let server = Running::start(dir.path(), "127.0.0.1:0", &[("MESH_DATABASE_URL", &url)])?;
    let mut alice = TestClient::new(&server.url);
    let account =
        json!({"setup_token": server.setup_token(), "username": "alice", "password": "a long sentence"});
    alice.adopt(&alice.post("/auth/setup", account).await?);
    let done = |args: &[&str]| -> Result<String> {
        let (code, said) = ended(dir.path(), &url, args)?;
        assert_eq!(code, Some(0), "{args:?}: {said}");
        Ok(said)
    };
    done(&["room", "add", "Ops", "--owner", "alice"])?;
    let rooms = alice.get("/rooms").await?;
    let names: Vec<_> = rooms["rooms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|room| &room["name"])
        .collect();
    assert!(names.contains(&&json!("Ops")), "{rooms}");
    let users: Value = serde_json::from_str(&done(&["user", "list", "--json"])?)?;
    assert!(users.to_string().contains("alice"), "{users}");
    assert!(done(&["invite", "add", "Ops"])?.contains("/invite#token="));
    let doctor = done(&["doctor"])?;
    assert!(
        doctor.contains("PostgreSQL 1") && doctor.contains(" answers"),
        "{doctor}"
    );
    let mut socket = alice.connect().await?;
    done(&["user", "remove", "alice"])?;
    assert_eq!(
        socket.closed().await,
        Closed(Some(4401)),
        "a running server is told"
    );
    for (args, tool) in [(["backup", "x"], "pg_dump"), (["restore", "x"], "pg_restore")] {
        let (code, said) = ended(dir.path(), &url, &args)?;
        assert_eq!(code, Some(1));
        assert!(said.contains(tool), "{said}");
    }
    assert!(!dir.path().join("data/mesh.db").exists());
    Ok(())
}

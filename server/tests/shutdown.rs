//! Test 56 of the list in `SECURITY.md`: the compiled server is told to go while a thousand clients are connected. That what
//! runs between devices does not notice is shown in the test kit, which knows data channels.

#![cfg(unix)]

use std::time::{Duration, Instant};

use crate::common::process::Running;
use anyhow::Result;
use futures_util::future::try_join_all;
use mesh_testkit::{Closed, PASSWORD, TestClient};
use serde_json::json;

const USERS: usize = 50;
const SOCKETS_EACH: usize = 20;

#[tokio::test]
async fn t56_sigterm_with_1_000_clients_tells_each_and_ends_within_15_s() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut server = Running::start(dir.path(), "127.0.0.1:0", &[])?;
    let mut owner = TestClient::new(&server.url);
    let account = json!({"setup_token": server.setup_token(), "username": "owner", "password": PASSWORD});
    let session = owner.post("/auth/setup", account).await?;
    owner.adopt(&session);
    let room = owner.create_room("Everybody").await?;
    let invite = owner
        .post(&format!("/rooms/{room}/invites"), json!({"max_uses": USERS}))
        .await?;
    let mut reading = Vec::new();
    for nth in 0..USERS {
        let mut user = TestClient::new(&server.url);
        let account =
            json!({"invite": invite["token"], "username": format!("user{nth}"), "password": PASSWORD});
        let session = user.post("/auth/register", account).await?;
        user.adopt(&session);
        for mut socket in try_join_all((0..SOCKETS_EACH).map(|_| user.connect())).await? {
            socket.send("room.join", json!({"room_id": room})).await?;
            reading.push(tokio::spawn(async move {
                let mut told = false;
                loop {
                    match socket.next().await {
                        Ok(message) => told |= message["type"] == "system.drain",
                        Err(closed) => return (told, closed),
                    }
                }
            }));
        }
    }
    let begun = Instant::now();
    std::process::Command::new("kill")
        .args(["-TERM", &server.child.id().to_string()])
        .status()?;
    let status = tokio::task::spawn_blocking(move || server.child.wait()).await??;
    let took = begun.elapsed();
    let mut told = 0;
    for task in reading {
        if task.await? == (true, Closed(Some(1012))) {
            told += 1;
        }
    }
    println!("{told} clients told, and the server gone after {took:?} with {status}");
    assert!(status.success());
    assert_eq!(told, USERS * SOCKETS_EACH);
    assert!(took < Duration::from_secs(15), "{took:?}");
    Ok(())
}

//! Test 51 of the list in `SECURITY.md`: the compiled server is killed under load, and what it acknowledged is there, once,
//! and in order. `cargo xtask durability` kills it a hundred times.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::common::process::Running;
use anyhow::Result;
use futures_util::future::join_all;
use mesh_protocol::ids::RoomId;
use mesh_testkit::{Closed, Socket, TestClient};
use serde_json::{Value, json};

/// Together 200 messages a second: a socket alone may send 50.
const AUTHORS: usize = 5;
const EACH_PER_SECOND: u64 = 40;

/// What one person sent, and what was acknowledged of it.
#[derive(Default)]
struct Talk {
    /// In front of every text and `client_id`.
    author: usize,
    /// Messages so far; the text of each ends with its number.
    sent: u64,
    acknowledged: Vec<(u64, String)>,
    /// Not acknowledged yet: after a kill said again first, under the same `client_id`.
    open: Vec<String>,
    /// Which message the server's `ack` names, on this connection.
    named: HashMap<String, String>,
}

impl Talk {
    async fn say(&mut self, socket: &mut Socket, room: &RoomId, text: &str) -> Result<()> {
        let message = json!({"room_id": room, "client_id": text, "text": text});
        let id = socket.send("chat.message.create", message).await?;
        self.named.insert(id, text.to_owned());
        Ok(())
    }

    /// Says again what is open, then new things at the given rate, until the connection ends.
    async fn talk(&mut self, mut socket: Socket, room: &RoomId) {
        self.named.clear();
        for text in self.open.clone() {
            if self.say(&mut socket, room, &text).await.is_err() {
                return;
            }
        }
        let mut beat = tokio::time::interval(Duration::from_micros(1_000_000 / EACH_PER_SECOND));
        loop {
            tokio::select! {
                _ = beat.tick() => {
                    self.sent += 1;
                    let text = format!("{}-{}", self.author, self.sent);
                    self.open.push(text.clone());
                    if self.say(&mut socket, room, &text).await.is_err() {
                        return;
                    }
                }
                message = socket.next() => match message {
                    Ok(message) => self.heard(&message),
                    Err(Closed(_)) => return,
                },
            }
        }
    }

    fn heard(&mut self, message: &Value) {
        let reference = message["payload"]["ref"].as_str().unwrap_or_default();
        let (true, Some(text)) = (message["type"] == "ack", self.named.remove(reference)) else {
            return;
        };
        self.open.retain(|open| *open != text);
        let seq = message["payload"]["seq"].as_u64().unwrap_or_default();
        self.acknowledged.push((seq, text));
    }
}

async fn history(client: &TestClient, room: &RoomId) -> Result<Vec<(u64, String)>> {
    let mut all = Vec::new();
    let mut before = u64::MAX >> 1;
    loop {
        let page = client
            .get(&format!("/rooms/{room}/messages?before={before}"))
            .await?;
        let page: Vec<_> = page["messages"].as_array().cloned().unwrap_or_default();
        let Some(first) = page.first() else { break };
        before = first["seq"].as_u64().unwrap_or_default();
        let row = |m: &Value| {
            (
                m["seq"].as_u64().unwrap_or_default(),
                m["text"].as_str().unwrap_or_default().to_owned(),
            )
        };
        all.splice(0..0, page.iter().map(row));
    }
    Ok(all)
}

async fn killed(times: u64, alive: impl Fn(u64) -> Duration) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut running = Running::start(dir.path(), "127.0.0.1:0", &[])?;
    let mut client = TestClient::new(&running.url);
    let account =
        json!({"setup_token": running.setup_token(), "username": "alice", "password": "a long sentence"});
    client.adopt(&client.post("/auth/setup", account).await?);
    let room = client.create_room("Room").await?;
    let listen = running.url.trim_start_matches("http://").to_owned();
    let mut talks: Vec<Talk> = (0..AUTHORS)
        .map(|author| Talk {
            author,
            ..Talk::default()
        })
        .collect();
    for round in 0..times {
        let mut sockets = Vec::new();
        for _ in 0..AUTHORS {
            sockets.push(client.join(&room).await?);
        }
        let end = Instant::now() + alive(round);
        let said = talks
            .iter_mut()
            .zip(sockets)
            .map(|(talk, socket)| talk.talk(socket, &room));
        tokio::join!(join_all(said), async {
            tokio::time::sleep_until(end.into()).await;
            // SIGKILL: nothing is flushed, nobody is told.
            let _ = running.child.kill();
        });
        running.child.wait()?;
        running = Running::start(dir.path(), &listen, &[])?;
    }
    let stored = history(&client, &room).await?;
    let numbers = stored.iter().map(|(seq, _)| *seq);
    assert!(numbers.eq(1..=stored.len() as u64), "numbered without a gap");
    let rows: HashSet<_> = stored.iter().collect();
    let (mut sent, mut acknowledged) = (0, 0);
    for Talk {
        author,
        sent: said,
        acknowledged: answered,
        ..
    } in &talks
    {
        let prefix = format!("{author}-");
        let own = stored.iter().filter_map(|(_, text)| text.strip_prefix(&prefix));
        for (at, text) in own.enumerate() {
            assert_eq!(
                text,
                (at + 1).to_string(),
                "once, and in the order in which author {author} said it"
            );
        }
        let lost = answered.iter().find(|row| !rows.contains(row));
        assert_eq!(lost, None, "acknowledged and lost");
        (sent, acknowledged) = (sent + said, acknowledged + answered.len());
    }
    assert!(acknowledged as u64 > times, "messages were under way");
    println!(
        "t51: killed {times} times at {} messages/s: {sent} sent, {acknowledged} acknowledged, {} stored; 0 lost, 0 twice",
        AUTHORS as u64 * EACH_PER_SECOND,
        stored.len()
    );
    Ok(())
}

#[tokio::test]
async fn t51_a_killed_server_keeps_what_it_acknowledged() -> Result<()> {
    killed(5, |round| Duration::from_millis(200 + 130 * (round % 3))).await
}

#[tokio::test]
#[ignore = "minutes: cargo xtask durability"]
async fn t51_killed_a_hundred_times() -> Result<()> {
    killed(100, |round| Duration::from_millis(150 + 37 * (round % 23))).await
}

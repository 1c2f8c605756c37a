//! Nodes and NATS fail, and come back.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use mesh_protocol::ids::RoomId;
use mesh_testkit::{Closed, Socket, TestClient};
use serde_json::{Value, json};

use crate::cluster::nodes::Nodes;
use crate::common::payload;

/// A user has at most so many sockets at one node.
const OF_A_USER: usize = 20;

fn is(message: &Value, kind: &str, peer: &str) -> bool {
    message["type"] == kind && message["payload"]["peer_id"] == peer
}

async fn say(socket: &mut Socket, room: &RoomId, text: &str) -> Result<u64> {
    let body = json!({"room_id": room, "client_id": text.replace(' ', "-"), "text": text});
    let id = socket.send("chat.message.create", body).await?;
    let ack = socket.expect_where("its ack", |m| {
        m["type"] == "ack" && m["payload"]["ref"] == id.as_str()
    });
    ack.await?["payload"]["seq"].as_u64().context("a seq")
}

/// A socket that notes which messages of the chat it was sent.
struct Talker {
    socket: Socket,
    heard: BTreeSet<u64>,
    twice: usize,
    /// Was told to read anew.
    lacks: bool,
}

impl Talker {
    async fn next(&mut self) -> Result<Value> {
        let message = self.socket.next().await;
        let message = message.map_err(|Closed(code)| anyhow::anyhow!("closed: {code:?}"))?;
        if message["type"] == "chat.message.created" {
            let seq = message["payload"]["seq"].as_u64().context("a seq")?;
            self.twice += usize::from(!self.heard.insert(seq));
        }
        self.lacks |= message["type"] == "system.resync";
        Ok(message)
    }

    async fn say(&mut self, room: &RoomId, text: &str) -> Result<u64> {
        let body = json!({"room_id": room, "client_id": text.replace(' ', "-"), "text": text});
        let id = self.socket.send("chat.message.create", body).await?;
        loop {
            let message = self.next().await?;
            if message["type"] == "ack" && message["payload"]["ref"] == id.as_str() {
                return message["payload"]["seq"].as_u64().context("a seq");
            }
        }
    }

    /// Reads until every one of these messages has come.
    async fn hears(&mut self, wanted: &BTreeSet<u64>) -> Result<()> {
        while !wanted.is_subset(&self.heard) {
            self.next().await?;
        }
        Ok(())
    }

    /// The same of more than a node sends late: what it is told to, it reads by REST.
    async fn hears_or_reads(
        &mut self,
        wanted: &BTreeSet<u64>,
        client: &TestClient,
        room: &RoomId,
    ) -> Result<()> {
        while !wanted.is_subset(&self.heard) {
            if std::mem::take(&mut self.lacks) {
                self.read(wanted, client, room).await?;
            } else {
                self.next().await?;
            }
        }
        Ok(())
    }

    async fn read(&mut self, wanted: &BTreeSet<u64>, client: &TestClient, room: &RoomId) -> Result<()> {
        let mut before = String::new();
        while !wanted.is_subset(&self.heard) {
            let page = client.get(&format!("/rooms/{room}/messages{before}")).await?;
            let page = page["messages"].as_array().context("messages")?;
            let page: BTreeSet<u64> = page
                .iter()
                .filter_map(|message| message["seq"].as_u64())
                .collect();
            let Some(first) = page.first() else { break };
            before = format!("?before={first}");
            self.heard.extend(page);
        }
        Ok(())
    }
}

async fn talker(client: &TestClient, room: &RoomId) -> Result<Talker> {
    Ok(Talker {
        socket: client.join(room).await?,
        heard: BTreeSet::new(),
        twice: 0,
        lacks: false,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn t53_clients_of_a_killed_node_are_back_and_nobody_stays_as_a_ghost() -> Result<()> {
    let mut nodes = Nodes::start(3).await?;
    let room = nodes.room.clone();
    let mut a = nodes.alice(0).join(&room).await?;
    let bob = nodes.member("bob", 1).await?;
    let mut of_one = Vec::new();
    for _ in 0..OF_A_USER {
        of_one.push(bob.join(&room).await?);
    }
    let ghosts: BTreeSet<String> = of_one.iter().map(|socket| socket.peer_id.to_string()).collect();
    // Who was never seen is not missed either.
    let mut seen = BTreeSet::new();
    while !ghosts.is_subset(&seen) {
        let message = a.expect("room.joined").await?;
        let peer = message["payload"]["peer_id"].as_str();
        seen.insert(peer.unwrap_or_default().to_owned());
    }
    let killed = Instant::now();
    nodes.kill(1);
    for socket in &mut of_one {
        assert_eq!(socket.closed().await, Closed(None));
    }
    let bob = bob.via(nodes.url(2));
    let back = join_all((0..OF_A_USER).map(|_| bob.join(&room))).await;
    let back: Vec<Socket> = back.into_iter().collect::<Result<_>>()?;
    let back_after = killed.elapsed();
    assert!(back_after < Duration::from_secs(5), "{back_after:?}");
    let mut left = BTreeSet::new();
    while left.len() < ghosts.len() {
        let message = a.expect("room.left").await?;
        left.insert(
            message["payload"]["peer_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    let gone_after = killed.elapsed();
    assert_eq!(left, ghosts);
    assert!(gone_after < Duration::from_secs(30), "{gone_after:?}");
    // As many as there are, whichever node is asked; and again with the node back.
    nodes.shows(2, 1 + back.len()).await;
    nodes.run(1)?;
    nodes.shows(1, 1 + back.len()).await;
    println!(
        "t53: {} clients of the killed node back after {back_after:?}, their ghosts gone after {gone_after:?}",
        back.len()
    );
    Ok(())
}

/// NATS is away for so long while people of two nodes talk.
async fn without_nats(away: Duration) -> Result<()> {
    let mut nodes = Nodes::start(3).await?;
    let room = nodes.room.clone();
    let carol = nodes.member("carol", 2).await?;
    let mut a = talker(&nodes.alice(0), &room).await?;
    let mut b = talker(&nodes.member("bob", 1).await?, &room).await?;
    let mut c = talker(&carol, &room).await?;
    let own = c.socket.peer_id.to_string();
    let put_out = tokio::spawn(async move {
        while !is(&c.next().await?, "room.left", &own) {}
        anyhow::Ok(())
    });
    nodes.nats.kill();
    let (mut said, begun) = (BTreeSet::new(), Instant::now());
    while said.len() < 40 || begun.elapsed() < away {
        for talker in [&mut a, &mut b] {
            said.insert(talker.say(&room, &format!("m{}", said.len())).await?);
        }
    }
    // Who is put out meanwhile is out, though nobody can tell their node.
    let member = format!("/rooms/{room}/members/{}", carol.user_id);
    nodes.alice(0).delete(&member).await?;
    put_out.await??;
    nodes.nats.revive().await?;
    said.insert(a.say(&room, "after").await?);
    for talker in [&mut a, &mut b] {
        if away.is_zero() {
            talker.hears(&said).await?;
        } else {
            talker.hears_or_reads(&said, &nodes.alice(0), &room).await?;
        }
        assert_eq!(talker.twice, 0, "and nothing twice");
    }
    println!(
        "t54: NATS away for {:?}: {} messages acknowledged, 0 lost",
        begun.elapsed(),
        said.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn t54_without_nats_no_chat_is_lost_and_who_is_put_out_is_out() -> Result<()> {
    without_nats(Duration::ZERO).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: cargo xtask cluster"]
async fn t54_without_nats_for_a_minute() -> Result<()> {
    without_nats(Duration::from_secs(60)).await
}

/// So many clients lose their sockets at the same time.
async fn all_at_once(users: usize) -> Result<()> {
    let nodes = Nodes::start(3).await?;
    let room = nodes.room.clone();
    let mut clients: Vec<TestClient> = Vec::new();
    for user in 0..users {
        clients.push(nodes.member(&format!("user-{user}"), user % 3).await?);
    }
    let everyone = || {
        let sockets = (0..users * OF_A_USER).map(|n| {
            let client = clients[n / OF_A_USER].via(nodes.url(n % 3));
            async move { client.connect_by_ticket().await }
        });
        join_all(sockets)
    };
    let first: Vec<Socket> = everyone().await.into_iter().collect::<Result<_>>()?;
    let cut: Vec<_> = first.into_iter().map(Socket::cut).collect();
    let begun = Instant::now();
    let back: Vec<Socket> = everyone().await.into_iter().collect::<Result<_>>()?;
    let after = begun.elapsed();
    assert_eq!(back.len(), cut.len());
    assert!(after < Duration::from_secs(10), "{after:?}");
    let mut socket = nodes.alice(0).join(&room).await?;
    assert!(say(&mut socket, &room, "everybody-is-back").await? > 0);
    println!(
        "t59: {} sockets, each with a ticket, back after {after:?}",
        back.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn t59_whoever_was_cut_is_back_at_once() -> Result<()> {
    all_at_once(10).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: cargo xtask cluster"]
async fn t59_two_thousand_are_back_at_once() -> Result<()> {
    all_at_once(100).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_no_acknowledged_message() -> Result<()> {
    let mut nodes = Nodes::start(3).await?;
    let room = nodes.room.clone();
    let bob = nodes.member("bob", 0).await?;
    let mut said: BTreeSet<u64> = BTreeSet::new();
    let mut number = 0;
    for at in 0..3 {
        let mut b = bob.via(nodes.url(at)).join(&room).await?;
        let running = nodes.running[at].as_mut().context("running")?;
        let pid = running.child.id().to_string();
        // Talks on until it is sent away.
        let mut stopped = false;
        loop {
            number += 1;
            match say(&mut b, &room, &format!("m{number}")).await {
                Ok(seq) => said.insert(seq),
                Err(_) => break,
            };
            if said.len().is_multiple_of(5) && !stopped {
                stopped = true;
                Command::new("kill").args(["-TERM", &pid]).status()?;
            }
        }
        assert!(running.child.wait()?.success());
        nodes.run(at)?;
        nodes.shows(at, 0).await;
    }
    let stored = nodes.alice(1).get(&format!("/rooms/{room}/messages")).await?;
    let stored: BTreeSet<u64> = stored["messages"]
        .as_array()
        .context("messages")?
        .iter()
        .filter_map(|message| message["seq"].as_u64())
        .collect();
    assert!(
        said.is_subset(&stored),
        "acknowledged and lost: {:?}",
        said.difference(&stored)
    );
    println!("rolling restart: {} messages acknowledged, 0 lost", said.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_at_a_node_that_stops_goes_on_at_another_and_misses_nothing() -> Result<()> {
    let mut nodes = Nodes::start(2).await?;
    let room = nodes.room.clone();
    let bob = nodes.member("bob", 1).await?;
    let (mut a, mut b) = (nodes.alice(0).join(&room).await?, bob.join(&room).await?);
    let own = b.peer_id.clone();
    a.expect("room.joined").await?;
    let mut stopped = nodes.running[1].take().context("running")?;
    let pid = stopped.child.id().to_string();
    Command::new("kill").args(["-TERM", &pid]).status()?;
    b.expect("system.drain").await?;
    let cut = b.cut();
    // What is said while nobody has it.
    for number in 0..20 {
        say(&mut a, &room, &format!("m{number}")).await?;
    }
    b = bob.via(nodes.url(0)).resume(&cut).await?;
    assert_eq!(b.peer_id, own, "it is the same for everyone");
    for number in 0..20 {
        let created = b.expect("chat.message.created").await?;
        assert_eq!(created["payload"]["text"], format!("m{number}"));
    }
    assert!(stopped.child.wait()?.success());
    // For the others it was away, and is gone when it goes.
    b.close().await?;
    let mut away = false;
    loop {
        let message = a
            .next()
            .await
            .map_err(|Closed(code)| anyhow::anyhow!("closed: {code:?}"))?;
        if is(&message, "presence.changed", own.as_str()) {
            away = message["payload"]["status"] == "away";
        }
        if is(&message, "room.left", own.as_str()) {
            break;
        }
    }
    assert!(!away, "it had come back");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_on_at_another_node_stays_in_the_room_and_what_they_ring_rings_on() -> Result<()> {
    let mut nodes = Nodes::start(2).await?;
    let room = nodes.room.clone();
    let (bob, carol) = (nodes.member("bob", 1).await?, nodes.member("carol", 1).await?);
    let mut a = nodes.alice(0).join(&room).await?;
    let (mut b, c) = (bob.join(&room).await?, carol.join(&room).await?);
    for _ in [&b, &c] {
        a.expect("room.joined").await?;
    }
    let ask = json!({"target_peer_id": a.peer_id, "session_id": "s"});
    let token = bob.cap(&room, &b.peer_id, &["call"], ask).await?;
    let request = payload("call.request", &room, Some(&a.peer_id), "s", Some(&token));
    b.send("call.request", request).await?;
    a.expect("call.request").await?;
    let mut stopped = nodes.running[1].take().context("running")?;
    let pid = stopped.child.id().to_string();
    Command::new("kill").args(["-TERM", &pid]).status()?;
    b.expect("system.drain").await?;
    b = bob.via(nodes.url(0)).resume(&b.cut()).await?;
    let last = format!("room.left {}", c.cut().peer_id);
    // Carol does not come back, and is taken for gone with the node: nothing else comes from it afterwards.
    let mut told = Vec::new();
    while told.last() != Some(&last) {
        let message = a.next().await;
        let message = message.map_err(|Closed(code)| anyhow::anyhow!("closed: {code:?}"))?;
        let kind = message["type"].as_str().unwrap_or_default();
        if kind == "room.left" || kind.starts_with("call.") {
            let of = message["payload"]["peer_id"].as_str();
            told.push(format!("{kind} {}", of.unwrap_or_default()));
        }
    }
    assert_eq!(told, [last]);
    assert!(stopped.child.wait()?.success());
    nodes.shows(0, 2).await;
    let end = payload("call.end", &room, Some(&a.peer_id), "s", None);
    b.send("call.end", end).await?;
    a.expect("call.missed").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_partition_go_on_and_find_each_other_again() -> Result<()> {
    let nodes = Nodes::start(2).await?;
    let room = nodes.room.clone();
    let bob = nodes.member("bob", 1).await?;
    let (mut a, mut b) = (talker(&nodes.alice(0), &room).await?, talker(&bob, &room).await?);
    let (of_a, of_b) = (a.socket.peer_id.clone(), b.socket.peer_id.clone());
    // Who was never seen is not missed either.
    while !is(&a.next().await?, "room.joined", of_b.as_str()) {}
    nodes.cables[1].cut();
    // The side that NATS is on takes the other for dead.
    while !is(&a.next().await?, "room.left", of_b.as_str()) {}
    let said = BTreeSet::from([a.say(&room, "one-side").await?, b.say(&room, "the-other").await?]);
    nodes.cables[1].mend();
    while !is(&a.next().await?, "room.joined", of_b.as_str()) {}
    for talker in [&mut a, &mut b] {
        talker.hears(&said).await?;
        assert_eq!(talker.twice, 0);
    }
    // And they reach each other as before.
    let ask = json!({"target_peer_id": of_b, "session_id": "s"});
    let token = nodes.alice(1).cap(&room, &of_a, &["call"], ask).await?;
    let request = payload("call.request", &room, Some(&of_b), "s", Some(&token));
    a.socket.send("call.request", request).await?;
    assert_eq!(b.socket.expect("call.request").await?["from"], of_a.as_str());
    Ok(())
}

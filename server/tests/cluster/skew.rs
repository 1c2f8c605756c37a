//! The clocks of two nodes differ by ten minutes.

use std::time::Duration;

use anyhow::Result;
use mesh_server::config::Secret;
use mesh_testkit::nats::Nats;
use mesh_testkit::{Socket, TestServer, eventually, postgres};
use serde_json::json;

use crate::common::payload;

#[tokio::test(flavor = "multi_thread")]
async fn t57_nodes_whose_clocks_differ_by_ten_minutes_work_together_and_open_nothing() -> Result<()> {
    let nats = Nats::start().await?;
    let database = postgres::database().await?;
    let (first, ahead) = (node(&nats, &database).await?, node(&nats, &database).await?);
    ahead.advance(Duration::from_secs(600));
    let alice = first.client("alice").await?;
    let bob = first.client("bob").await?;
    let room = first.room(&alice, &[&bob]).await?;
    let (mut a, mut b) = (alice.join(&room).await?, bob.via(ahead.url()).join(&room).await?);
    eventually("they see each other", async || {
        let mut socket = alice.connect().await.unwrap();
        let state = socket.join(&room).await.unwrap();
        let peers = state["peers"].as_array().unwrap();
        peers.iter().any(|peer| peer["peer_id"] == b.peer_id.as_str())
    })
    .await;
    // A capability is judged by the clock of the node that signed it, whichever node was asked.
    let (of_a, of_b) = (a.peer_id.clone(), b.peer_id.clone());
    for (caller, asked, from, to) in [(&alice, &ahead, &mut a, &of_b), (&bob, &first, &mut b, &of_a)] {
        let session = format!("s-{}", from.peer_id);
        let ask = json!({"target_peer_id": to, "session_id": session});
        let token = caller
            .via(asked.url())
            .cap(&room, &from.peer_id, &["call"], ask)
            .await?;
        let request = payload("call.request", &room, Some(to), &session, Some(&token));
        assert_eq!(from.error_of("call.request", request).await?, None);
    }
    // A ticket is as old as its own node says.
    let ticket = alice.via(ahead.url()).post("/ws/ticket", json!({})).await?;
    let query = format!("?token={}", ticket["ticket"].as_str().unwrap());
    Socket::open(&first.url(), &query, None).await?.welcomed().await?;
    let late = alice.via(ahead.url()).post("/ws/ticket", json!({})).await?;
    ahead.advance(Duration::from_secs(31));
    let query = format!("?token={}", late["ticket"].as_str().unwrap());
    assert!(Socket::open(&first.url(), &query, None).await.is_err());
    Ok(())
}

async fn node(nats: &Nats, database: &str) -> Result<TestServer> {
    let builder = TestServer::builder().config(|config| {
        config.nats_url = Some(Secret::new(nats.url()));
        config.jwt_secret = Some(Secret::new("what-all-nodes-of-this-test-have-in-common"));
        config.database_url = Some(Secret::new(database));
    });
    builder.start().await
}

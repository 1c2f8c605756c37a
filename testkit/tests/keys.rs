//! The keys of capabilities change under running devices: nobody restarts, and nobody notices.

use std::time::Duration;

use anyhow::Result;
use mesh_peer::signal::{ControlPlane, Keys};
use mesh_server::auth::capability_keys::{LEAD, LONGEST_TOKEN, ROTATE_AFTER, Rotation, rotate};
use mesh_testkit::{TestClient, TestServer, eventually};
use serde_json::json;

async fn published(client: &TestClient) -> Result<Vec<String>> {
    let jwks = client.get("/.well-known/jwks.json").await?;
    let kids = jwks["keys"].as_array().unwrap().iter();
    Ok(kids.map(|key| key["kid"].as_str().unwrap().to_owned()).collect())
}

async fn until_published(client: &TestClient, count: usize) -> Vec<String> {
    let mut kids = Vec::new();
    eventually("the published keys", async || {
        kids = published(client).await.unwrap_or_default();
        kids.len() == count
    })
    .await;
    kids
}

fn kid_of(token: &str) -> String {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(header)
        .unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_that_grew_old_is_replaced_and_devices_accept_the_new_one_without_a_restart() -> Result<()> {
    let mut server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let device = Keys::new(ControlPlane::new(&server.url())?);
    device.refresh().await?;
    let old = published(&alice).await?;
    assert_eq!(old.len(), 1);
    server.advance(ROTATE_AFTER);
    let both = until_published(&alice, 2).await;
    assert_eq!(both[0], old[0]);
    // The sessions of before are over by now.
    let (alice, bob) = (server.sign_in("alice").await?, server.sign_in("bob").await?);
    let (mut a, b) = (alice.join(&room).await?, bob.join(&room).await?);
    let ask = json!({"target_peer_id": b.peer_id, "session_id": "s"});
    let before = alice.cap(&room, &a.peer_id, &["call"], ask.clone()).await?;
    assert_eq!(kid_of(&before), both[0], "published, and not used yet");
    server.advance(LEAD);
    // The device has not asked for some seconds either: it does so every 5 s at most.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(6)).await;
    tokio::time::resume();
    let after = alice.cap(&room, &a.peer_id, &["call"], ask.clone()).await?;
    assert_eq!(kid_of(&after), both[1]);
    let request =
        |token: &str| json!({"room_id": room, "target": b.peer_id, "session_id": "s", "cap_token": token});
    for token in [&before, &after] {
        assert!(device.verify(token, server.now()).await.is_ok(), "the device");
        assert_eq!(
            a.error_of("call.request", request(token)).await?,
            None,
            "the relay"
        );
    }
    // A restart in the middle keeps both.
    drop((a, b));
    server = server.restart().await?;
    assert_eq!(published(&server.stranger()).await?, both);
    assert!(device.verify(&before, server.now()).await.is_ok());
    server.advance(LONGEST_TOKEN + Duration::from_secs(10));
    assert_eq!(until_published(&server.stranger(), 1).await, both[1..]);
    Ok(())
}

#[tokio::test]
async fn keys_that_somebody_else_may_have_are_good_for_nothing_at_once() -> Result<()> {
    let server = TestServer::start().await?;
    let (alice, bob) = (server.client("alice").await?, server.client("bob").await?);
    let room = server.room(&alice, &[&bob]).await?;
    let (mut a, b) = (alice.join(&room).await?, bob.join(&room).await?);
    let ask = json!({"target_peer_id": b.peer_id, "session_id": "s"});
    let stolen = alice.cap(&room, &a.peer_id, &["call"], ask.clone()).await?;
    let request =
        |token: &str| json!({"room_id": room, "target": b.peer_id, "session_id": "s", "cap_token": token});
    assert_eq!(a.error_of("call.request", request(&stolen)).await?, None);
    let device = Keys::new(ControlPlane::new(&server.url())?);
    assert!(device.verify(&stolen, server.now()).await.is_ok());
    let before = published(&alice).await?;
    rotate(server.data_dir(), Rotation::Compromised, server.now())?;
    eventually("the new key", async || {
        published(&alice).await.is_ok_and(|kids| kids != before)
    })
    .await;
    let refused = a.error_of("call.request", request(&stolen)).await?;
    assert_eq!(
        refused.as_deref(),
        Some("CAP_REQUIRED"),
        "also one that was verified before"
    );
    let fresh = alice.cap(&room, &a.peer_id, &["call"], ask).await?;
    assert_eq!(a.error_of("call.request", request(&fresh)).await?, None);
    Ok(())
}

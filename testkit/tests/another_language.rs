//! The client in Python, written from the documentation alone, against the real server.

use std::path::Path;
use std::process::Stdio;

use anyhow::Result;
use mesh_testkit::{PASSWORD, TestServer};
use serde_json::{Value, json};
use tokio::process::Command;

#[tokio::test]
async fn a_client_in_python_signs_in_chats_and_relays_an_offer() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    server.add_user("bob").await?;
    let room = server.room(&alice, &[]).await?;
    let invite = alice.post(&format!("/rooms/{room}/invites"), json!({})).await?;
    let mut a = alice.join(&room).await?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/another-language/client.py");
    let client = Command::new("python3")
        .arg(script)
        .args([&server.url(), "bob", PASSWORD, invite["token"].as_str().unwrap()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;

    let created = a.expect("chat.message.created").await?;
    assert_eq!(created["payload"]["text"], "Hello from Python");
    let asked = a.expect("terminal.share.request").await?;
    let (bob, session) = (asked["from"].clone(), asked["payload"]["session_id"].clone());
    let about = json!({"room_id": room, "target": bob, "session_id": session});
    a.send("terminal.share.accept", about.clone()).await?;
    let offer = a.expect("rtc.offer").await?;
    assert!(
        offer["payload"]["sdp"]
            .as_str()
            .unwrap()
            .contains("a=fingerprint:sha-256 ")
    );
    let own = json!({"target_peer_id": bob, "session_id": session});
    let cap = alice.cap(&room, &a.peer_id, &["terminal:view"], own).await?;
    let mut answer = about;
    answer["feature"] = json!("terminal");
    answer["cap_token"] = json!(cap);
    answer["sdp"] = json!("the answer");
    a.send("rtc.answer", answer).await?;

    let output = client.wait_with_output().await?;
    assert!(output.status.success());
    let steps: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let names: Vec<&str> = steps.iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(
        names,
        ["signed in", "joined", "chatted", "capability", "answered"]
    );
    assert_eq!(steps[3]["bound"], true);
    assert_eq!(
        steps[4],
        json!({"step": "answered", "sdp": "the answer", "by": true})
    );
    Ok(())
}

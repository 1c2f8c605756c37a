//! What Prometheus reads: the numbers of a real server, parsed by a real parser.

use anyhow::{Context as _, Result};
use mesh_testkit::{TestServer, eventually};
use prometheus_parse::{Scrape, Value};
use serde_json::json;

async fn scrape(server: &TestServer) -> Result<(Scrape, String)> {
    let address = server.metrics_address().context("no listener")?;
    let answer = reqwest::get(format!("http://{address}/metrics"))
        .await?
        .error_for_status()?;
    let kind = answer.headers()["content-type"].to_str()?.to_owned();
    assert!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
    let text = answer.text().await?;
    assert!(text.ends_with("# EOF\n"), "whole");
    Ok((Scrape::parse(text.lines().map(|line| Ok(line.to_owned())))?, text))
}

/// The value of a series, by its name and one of its labels; 0 where there is none.
fn value(scrape: &Scrape, name: &str, label: Option<(&str, &str)>) -> f64 {
    let fits = |sample: &&prometheus_parse::Sample| {
        sample.metric == name && label.is_none_or(|(key, value)| sample.labels.get(key) == Some(value))
    };
    match scrape.samples.iter().find(fits).map(|sample| &sample.value) {
        Some(Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) => *value,
        _ => 0.0,
    }
}

#[tokio::test]
async fn a_scrape_tells_what_happened_and_about_nobody() -> Result<()> {
    let server = TestServer::builder()
        .config(|config| config.metrics_listen = Some("127.0.0.1:0".parse().unwrap()))
        .start()
        .await?;
    let (alice, bob) = (
        server.client("alice-in-no-label").await?,
        server.client("bob").await?,
    );
    let room = server.room(&alice, &[&bob]).await?;
    let (mut a, b) = (alice.join(&room).await?, bob.join(&room).await?);
    let token = alice
        .cap(&room, &a.peer_id, &["call"], json!({"target_peer_id": b.peer_id}))
        .await?;
    let request = json!({"room_id": room, "target": b.peer_id, "session_id": "s", "cap_token": token});
    for _ in 0..7 {
        a.send("call.request", request.clone()).await?;
    }
    for n in 0..5 {
        a.send(
            "chat.message.create",
            json!({"room_id": room, "client_id": format!("c{n}"), "text": "t"}),
        )
        .await?;
    }
    for _ in 0..5 {
        a.expect("ack").await?;
    }
    let forged = json!({"room_id": room, "target": b.peer_id, "session_id": "s", "cap_token": "forged"});
    assert_eq!(
        a.error_of("call.request", forged).await?.as_deref(),
        Some("CAP_REQUIRED")
    );
    let mut stranger = server.stranger();
    assert!(stranger.login("alice-in-no-label", "wrong").await.is_err());
    let beyond = alice.cap(&room, &b.peer_id, &["call"], json!({})).await;
    assert_eq!(beyond.unwrap_err().code, "CAP_NOT_ALLOWED");
    let odd = alice
        .http()
        .request("MADEUP".parse()?, alice.at("/me"))
        .send()
        .await?;
    assert!(odd.status().is_client_error());
    eventually("the record to be written", async || {
        scrape(&server)
            .await
            .is_ok_and(|(scrape, _)| value(&scrape, "mesh_queue_length", Some(("queue", "audit"))) == 0.0)
    })
    .await;
    let (scraped, text) = scrape(&server).await?;
    let is = |name: &str, label: Option<(&str, &str)>, expected: f64| {
        assert_eq!(value(&scraped, name, label), expected, "{name} {label:?}\n{text}");
    };
    for (name, count) in [
        ("mesh_sockets", 2.0),
        ("mesh_peers", 2.0),
        ("mesh_rooms_live", 1.0),
        ("mesh_sessions_open", 1.0),
    ] {
        is(name, None, count);
    }
    is("mesh_messages_total", Some(("type", "call.request")), 8.0);
    is("mesh_messages_total", Some(("type", "room.join")), 2.0);
    is("mesh_messages_total", Some(("type", "rtc.ice")), 0.0);
    is("mesh_signal_errors_total", Some(("code", "CAP_REQUIRED")), 1.0);
    is("mesh_http_errors_total", Some(("code", "WRONG_CREDENTIALS")), 1.0);
    is("mesh_http_errors_total", Some(("code", "CAP_NOT_ALLOWED")), 1.0);
    is(
        "mesh_capabilities_granted_total",
        Some(("capability", "call")),
        1.0,
    );
    is("mesh_chat_stored_total", None, 5.0);
    is("mesh_chat_failed_total", None, 0.0);
    is("mesh_audit_dropped_total", None, 0.0);
    is(
        "mesh_http_request_duration_seconds_count",
        Some(("route", "/rooms/join")),
        1.0,
    );
    is(
        "mesh_http_request_duration_seconds_count",
        Some(("method", "other")),
        1.0,
    );
    for name in [
        "mesh_tasks",
        "process_resident_memory_bytes",
        "process_open_fds",
        "mesh_network_received_bytes",
        "mesh_network_sent_bytes",
    ] {
        assert!(value(&scraped, name, None) > 5.0, "{name}");
    }
    for who in [
        "alice",
        "MADEUP",
        room.as_str(),
        a.peer_id.as_str(),
        alice.user_id.as_str(),
        "127.0.0.1",
    ] {
        assert!(!text.contains(who), "{who}");
    }
    println!("{} series in {} bytes", scraped.samples.len(), text.len());
    // The listener ends with the server.
    let address = server.metrics_address().context("no listener")?;
    drop((a, b));
    server.drain().await;
    assert!(reqwest::get(format!("http://{address}/metrics")).await.is_err());
    Ok(())
}

#[tokio::test]
async fn nobody_listens_unless_told_to_and_the_public_address_shows_nothing() -> Result<()> {
    let server = TestServer::start().await?;
    assert_eq!(server.metrics_address(), None);
    let error = server.stranger().get("/metrics").await.unwrap_err();
    assert_eq!((error.status, error.code.as_str()), (404, "NOT_FOUND"));
    Ok(())
}

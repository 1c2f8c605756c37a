//! Pairing of a device by a code (RFC 8628): what it is told while it waits, and who may let it in.

use std::time::Duration;

use anyhow::{Context as _, Result};
use mesh_testkit::{RestError, TestClient, TestServer};
use serde_json::{Value, json};

/// What the device got, and its polls.
struct Device {
    client: TestClient,
    device_code: String,
    user_code: String,
}

impl Device {
    async fn ask(server: &TestServer, name: &str) -> Result<Self> {
        let client = server.stranger();
        let device = json!({"name": name, "kind": "agent", "key": "A".repeat(43)});
        let code = client
            .post("/auth/device/code", json!({"device": device}))
            .await?;
        let text = |key: &str| code[key].as_str().unwrap_or_default().to_owned();
        assert_eq!((&code["expires_in"], &code["interval"]), (&json!(300), &json!(2)));
        assert_eq!(text("verification_uri"), format!("{}/pair", server.url()));
        assert_eq!(
            text("verification_uri_complete"),
            format!("{}/pair?code={}", server.url(), text("user_code"))
        );
        Ok(Self {
            device_code: text("device_code"),
            user_code: text("user_code"),
            client,
        })
    }

    async fn poll(&self) -> Result<Value, RestError> {
        let body = json!({"device_code": self.device_code});
        self.client.post("/auth/device/token", body).await
    }

    async fn told(&self) -> Result<(u16, String)> {
        let error = self.poll().await.err().context("it was let in")?;
        Ok((error.status, error.code))
    }
}

async fn answer(client: &TestClient, code: &str, approve: bool) -> Result<Value, RestError> {
    let body = json!({"user_code": code, "approve": approve});
    client.post("/auth/device/approve", body).await
}

fn code(text: &str) -> (u16, String) {
    (400, text.to_owned())
}

#[tokio::test]
async fn an_approved_device_is_signed_in_once_as_whom_it_said() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let device = Device::ask(&server, "Desk").await?;
    assert_eq!(device.told().await?, code("AUTHORIZATION_PENDING"));
    assert_eq!(device.told().await?, code("SLOW_DOWN"));
    let shown = alice
        .post("/auth/device/request", json!({"user_code": device.user_code}))
        .await?;
    assert_eq!(
        (&shown["device_name"], &shown["kind"], &shown["address"]),
        (&json!("Desk"), &json!("agent"), &json!("127.0.0.1"))
    );
    answer(&alice, &device.user_code.to_lowercase().replace('-', ""), true).await?;
    assert_eq!(
        answer(&alice, &device.user_code, true).await.unwrap_err().code,
        "CODE_INVALID",
        "a code counts once"
    );
    server.advance(Duration::from_secs(7));
    let session = device.poll().await?;
    assert_eq!(session["user_id"], alice.user_id);
    server.advance(Duration::from_secs(7));
    assert_eq!(device.told().await?, code("EXPIRED_TOKEN"));
    let mut agent = server.stranger();
    agent.adopt(&session);
    assert_eq!(agent.get("/me").await?["device_id"], session["device_id"]);
    let devices = alice.get("/devices").await?;
    let desk = devices["devices"].as_array().into_iter().flatten();
    assert_eq!(desk.filter(|device| device["name"] == "Desk").count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_declined_or_late_device_stays_outside() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let declined = Device::ask(&server, "Desk").await?;
    answer(&alice, &declined.user_code, false).await?;
    assert_eq!(declined.told().await?, code("ACCESS_DENIED"));
    // Whoever approved signs out before the device comes back.
    let gone = server.sign_in("alice").await?;
    let orphan = Device::ask(&server, "Desk").await?;
    answer(&gone, &orphan.user_code, true).await?;
    gone.post("/auth/logout", json!({})).await?;
    assert_eq!(orphan.told().await?, code("ACCESS_DENIED"));
    let late = Device::ask(&server, "Desk").await?;
    server.advance(Duration::from_secs(300));
    assert_eq!(
        answer(&alice, &late.user_code, true).await.unwrap_err().code,
        "CODE_INVALID"
    );
    assert_eq!(late.told().await?, code("EXPIRED_TOKEN"));
    let unknown = Device {
        device_code: "unknown".into(),
        ..late
    };
    assert_eq!(unknown.told().await?, code("EXPIRED_TOKEN"));
    let mut bad = json!({"device": {"name": "a\u{202E}b", "kind": "agent"}});
    for _ in 0..2 {
        let refused = server.stranger().post("/auth/device/code", bad.clone()).await;
        assert_eq!(refused.unwrap_err().code, "BAD_REQUEST");
        bad = json!({"device": {"name": "b", "kind": "agent", "key": "short"}});
    }
    Ok(())
}

#[tokio::test]
async fn guessed_codes_are_throttled_for_one_user_and_waiting_devices_are_bounded() -> Result<()> {
    let server = TestServer::start().await?;
    let (mallory, alice) = (server.client("mallory").await?, server.client("alice").await?);
    let device = Device::ask(&server, "Desk").await?;
    let mut codes = Vec::new();
    for n in 0..20 {
        let path = ["/auth/device/request", "/auth/device/approve"][n % 2];
        // From another address each time, which helps nobody.
        let guess = mallory
            .http()
            .post(mallory.at(path))
            .bearer_auth(&mallory.token)
            .header("x-forwarded-for", format!("198.51.100.{n}"))
            .json(&json!({"user_code": "BCDF-GHJK"}));
        codes.push(guess.send().await?.status().as_u16());
    }
    let tried = codes.iter().filter(|code| **code == 404).count();
    println!(
        "{tried} of 20 guessed codes were looked at, {} refused",
        20 - tried
    );
    assert!((10..=12).contains(&tried), "{codes:?}");
    assert_eq!(
        answer(&mallory, &device.user_code, true).await.unwrap_err().code,
        "THROTTLED"
    );
    answer(&alice, &device.user_code, true).await?;
    // This address has one waiting device; nine more are its share.
    let mut asked = 0;
    let refused = loop {
        match server.stranger().post("/auth/device/code", json!({})).await {
            Ok(_) => asked += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((asked, refused.code.as_str()), (9, "THROTTLED"));
    server.advance(Duration::from_secs(300));
    Device::ask(&server, "Desk").await?;
    Ok(())
}

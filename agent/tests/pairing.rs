//! `mesh login URL`: the real command shows a code, somebody approves or declines it, and the sign-in is stored.

use crate::world::{Machine, World};
use serde_json::{Value, json};

#[tokio::test]
async fn a_code_that_somebody_approves_signs_this_device_in() {
    let world = World::start().await;
    let url = world.server.url();
    let machine = Machine::new(world.path("desk"));
    let arguments = ["--json", "login", &url, "--device-name", "desk"];
    let mut login = machine.mesh(&arguments);
    let event: Value = serde_json::from_str(&login.until("pairing").await).unwrap();
    let code = event["user_code"].as_str().unwrap();
    assert_eq!(
        event["verification_uri_complete"],
        format!("{url}/pair?code={code}")
    );
    let asking = world
        .alice
        .post("/auth/device/request", json!({"user_code": code}))
        .await
        .unwrap();
    assert_eq!(
        (&asking["device_name"], &asking["kind"]),
        (&json!("desk"), &json!("agent"))
    );
    let approve = json!({"user_code": code});
    world.alice.post("/auth/device/approve", approve).await.unwrap();
    let signed_in: Value = serde_json::from_str(&login.until("signed_in").await).unwrap();
    assert_eq!(
        (&signed_in["name"], &signed_in["device_name"]),
        (&json!("alice"), &json!("desk"))
    );
    assert!(login.finish().await.0.success());
    let (status, rooms) = machine.mesh(&["rooms"]).finish().await;
    assert!(
        status.success() && rooms.iter().any(|line| line.contains("Home")),
        "{rooms:?}"
    );
}

#[tokio::test]
async fn a_declined_code_is_exit_4_and_stores_nothing() {
    let world = World::start().await;
    let machine = Machine::new(world.path("desk"));
    let mut login = machine.mesh(&["--json", "login", &world.server.url()]);
    let event: Value = serde_json::from_str(&login.until("pairing").await).unwrap();
    let decline = json!({"user_code": event["user_code"], "approve": false});
    world.alice.post("/auth/device/approve", decline).await.unwrap();
    assert_eq!(login.finish().await.0.code(), Some(4));
    assert_eq!(machine.mesh(&["rooms"]).finish().await.0.code(), Some(3));
}

//! Test 57 of the list in `SECURITY.md`: a clock that is ten minutes off refuses with a code of its own, and opens nothing.

use std::time::Duration;

use crate::common::{payload, stage};
use anyhow::Result;
use mesh_protocol::capability::{CapabilityError, CapabilityVerifier, Jwks};
use mesh_testkit::Socket;
use serde_json::json;

const OFF: Duration = Duration::from_secs(600);

#[tokio::test]
async fn t57_a_clock_ten_minutes_off_refuses_and_never_opens() -> Result<()> {
    let mut refused = Vec::new();
    for ahead in [true, false] {
        let mut s = stage().await?;
        if !ahead {
            // Where it comes back to.
            s.server.advance(OFF);
        }
        let ask = json!({"target_peer_id": s.b.peer_id, "session_id": "s"});
        let token = s.alice.cap(&s.room, &s.a.peer_id, &["call"], ask).await?;
        let ticket = s.alice.post("/ws/ticket", json!({})).await?;
        let link = s.alice.post("/auth/links", json!({})).await?;
        let keys: Jwks = serde_json::from_value(s.alice.get("/.well-known/jwks.json").await?)?;
        let issued = s.server.now();

        // A device with such a clock judges by itself, with the published keys.
        let device = if ahead {
            issued + OFF.as_secs()
        } else {
            issued - OFF.as_secs()
        };
        let judged = CapabilityVerifier::from_jwks(&keys).verify(&token, device);
        let expected = if ahead {
            CapabilityError::Expired
        } else {
            CapabilityError::NotYet
        };
        assert_eq!(judged.unwrap_err(), expected);
        refused.push("a capability at a device");

        // The server's own clock jumps.
        if ahead {
            s.server.advance(OFF)
        } else {
            s.server.set_back(OFF)
        }
        let request = payload("call.request", &s.room, Some(&s.b.peer_id), "s", Some(&token));
        let code = s.a.error_of("call.request", request).await?;
        let expected = if ahead { "CAP_EXPIRED" } else { "CAP_REQUIRED" };
        assert_eq!(code.as_deref(), Some(expected), "ahead: {ahead}");
        refused.push("a capability at the server");
        assert!(s.b.drain().await?.is_empty());

        let query = format!("?token={}", ticket["ticket"].as_str().unwrap_or_default());
        let opened = Socket::open(&s.server.url(), &query, None).await;
        assert_eq!(
            opened.err().map(|error| error.to_string()).as_deref(),
            Some("the upgrade was refused: 401")
        );
        refused.push("a ticket");
        if ahead {
            let (_, link) = link["url"]
                .as_str()
                .unwrap_or_default()
                .split_once("token=")
                .unwrap_or_default();
            let late = s
                .server
                .stranger()
                .post("/auth/link", json!({"token": link}))
                .await;
            assert!(late.is_err(), "{late:?}");
            refused.push("a link");
        }
        // Nobody is thrown out for it: sessions and sockets go on.
        s.alice.get("/me").await?;
        assert_eq!(
            s.a.error_of("chat.typing", json!({"room_id": s.room, "typing": true}))
                .await?,
            None
        );
        let fresh = s
            .alice
            .cap(
                &s.room,
                &s.a.peer_id,
                &["call"],
                json!({"target_peer_id": s.b.peer_id}),
            )
            .await?;
        let request = payload("call.request", &s.room, Some(&s.b.peer_id), "s2", Some(&fresh));
        assert_eq!(
            s.a.error_of("call.request", request).await?,
            None,
            "what is issued now works"
        );
    }
    println!("a clock ten minutes off refused {refused:?}; 0 opened");
    Ok(())
}

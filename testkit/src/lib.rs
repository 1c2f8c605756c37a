//! Real servers and real sockets for tests: nothing is replaced but the clock.
//!
//! [`TestServer`] runs `mesh-server` on a port of its own with its data in a temporary folder; [`TestClient`] is a program
//! that speaks REST and the WebSocket; [`link`] is a network that is not perfect, [`internet`] one with routers between;
//! [`nats`] and [`postgres`] are real servers; [`eventually`] waits for a condition. For development only: no crate depends
//! on it except in its tests.

mod client;
pub mod internet;
pub mod link;
pub mod nats;
pub mod postgres;
mod server;

pub use client::{Closed, Cut, RestError, Socket, TestClient, WAIT};
pub use server::{PASSWORD, TestServer, TestServerBuilder};

use std::time::{Duration, Instant};

/// Polls until the condition holds. Panics with `what` after ten seconds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < WAIT, "not within {WAIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

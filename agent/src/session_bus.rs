//! The D-Bus of the person's session, where there is one.
//!
//! Owns the decision that there is: no bus is ever started for our sake, and nothing here waits for long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zbus::Connection;

/// How long anything on the bus may take.
pub(crate) const WITHIN: Duration = Duration::from_secs(3);

/// A bus that once did not answer in this process is not waited for again.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Connects, if this process belongs to a session that has a bus.
pub(crate) async fn connect() -> Option<Connection> {
    let named = std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty());
    let usual = || {
        let folder = std::env::var_os("XDG_RUNTIME_DIR").map(std::path::PathBuf::from);
        folder.is_some_and(|folder| folder.is_absolute() && folder.join("bus").exists())
    };
    if !named && !usual() {
        return None;
    }
    if SILENT.load(Ordering::Relaxed) {
        return None;
    }
    match tokio::time::timeout(WITHIN, Connection::session()).await {
        Ok(Ok(bus)) => Some(bus),
        Ok(Err(error)) => {
            tracing::info!(%error, "the session's bus cannot be used");
            None
        }
        Err(_) => {
            tracing::info!("the session's bus does not answer");
            SILENT.store(true, Ordering::Relaxed);
            None
        }
    }
}

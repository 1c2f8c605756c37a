//! Removes chat messages that are older than their room keeps them, what the record of rooms has of too long ago, and rooms
//! that were made for a short time and that nobody is in any more.
//!
//! One task, ended by the server's stop token. Its work is bounded: a few hundred messages of a room in one transaction, and
//! so many rounds at a time, so that chat that is being written never waits long for the database.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::hub::Hub;
use crate::store::{Result, Store, StoreError};

const EVERY: Duration = Duration::from_secs(5);
/// Messages of one room in one transaction.
const AT_ONCE: u32 = 500;
/// Rounds before the next pause; what is left then waits for the next time.
const ROUNDS: usize = 20;
/// Rooms that are looked at before the next pause.
const ROOMS: u32 = 100;
/// After a start, before a room counts as left: whoever was in it needs a moment to come back.
const RETURN: Duration = Duration::from_secs(180);

/// Runs until `stop`; the record goes back `audit_days`.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    hub: Arc<Hub>,
    audit_days: u32,
    stop: CancellationToken,
) {
    let audit_ms = u64::from(audit_days) * 24 * 3_600 * 1_000;
    let returned = clock.now_ms() + RETURN.as_secs() * 1_000;
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if clock.now_ms() >= returned
            && let Err(error) = expire_rooms(&*store, &hub, clock.now_ms()).await
        {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "rooms whose time is over were not removed");
        }
        for _ in 0..ROUNDS {
            match expire(&*store, clock.now_ms(), audit_ms).await {
                Ok(0) => break,
                Ok(_) if stop.is_cancelled() => return,
                Ok(_) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "old chat messages and records were not removed");
                    break;
                }
            }
        }
    }
}

/// Those that somebody is in wait until nobody is.
async fn expire_rooms(store: &dyn Store, hub: &Hub, now: u64) -> Result<()> {
    for room in store.expired_rooms(ROOMS, now).await? {
        if hub.room(&room).is_some() {
            continue;
        }
        match store.remove_room(&room, now).await {
            Ok(()) => tracing::info!(%room, "a room was removed: its time is over"),
            // Its owner was faster.
            Err(StoreError::Absent) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn expire(store: &dyn Store, now: u64, audit_ms: u64) -> Result<u64> {
    let messages = store.expire_messages(AT_ONCE, now).await?;
    let entries = store.expire_audit(AT_ONCE, now.saturating_sub(audit_ms)).await?;
    Ok(messages + entries)
}

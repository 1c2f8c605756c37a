//! Writes the record of each room, off the way of whoever does something.
//!
//! One task writes for all, a batch in one transaction. Bound of its queue: 4,096 entries; past it an entry is dropped, counted and
//! said in the log, and nobody waits. Ends with the last sender, after what is queued.

use std::sync::Arc;

use mesh_protocol::http::{AuditAct, AuditParty};
use mesh_protocol::ids::{RoomId, UserId};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::hub::LivePeer;
use crate::metrics::Metrics;
use crate::store::{NewAuditEntry, SignIn, Store};

const QUEUE: usize = 4_096;
/// The most entries of one transaction.
const BATCH: usize = 256;
/// The newest entries of a room that stay, whatever their age.
pub const KEPT: u64 = 100_000;

/// Where whoever does something puts what the record is to say.
#[derive(Clone)]
pub struct Audit {
    queue: mpsc::Sender<NewAuditEntry>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// Whether anything is kept at all.
    on: bool,
}

impl Audit {
    /// The queue and the task that empties it.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        on: bool,
    ) -> (Self, impl Future<Output = ()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let writer = write(store, waiting, metrics.clone());
        (
            Self {
                queue,
                clock,
                metrics,
                on,
            },
            writer,
        )
    }

    /// Records what `fill` makes of an entry that says who did what.
    pub(crate) fn record(
        &self,
        room_id: &RoomId,
        act: AuditAct,
        actor: AuditParty,
        fill: impl FnOnce(&mut NewAuditEntry),
    ) {
        if !self.on {
            return;
        }
        let mut entry = NewAuditEntry::new(room_id.clone(), self.clock.now_ms(), act, Some(actor));
        fill(&mut entry);
        if self.queue.try_send(entry).is_err() {
            self.metrics.audit_dropped.inc();
        }
    }

    /// Entries that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

async fn write(store: Arc<dyn Store>, mut waiting: mpsc::Receiver<NewAuditEntry>, metrics: Arc<Metrics>) {
    let mut batch = Vec::new();
    let mut told = 0;
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        if let Err(error) = store.append_audit(&batch, KEPT).await {
            metrics.audit_dropped.inc_by(batch.len() as u64);
            tracing::error!(
                error = &error as &dyn std::error::Error,
                entries = batch.len(),
                "the record of rooms was not written"
            );
        }
        batch.clear();
        let dropped = metrics.audit_dropped.get();
        if dropped != told {
            tracing::warn!(
                entries = dropped - told,
                "entries are missing from the record of rooms"
            );
            told = dropped;
        }
    }
}

/// Who makes a request.
pub(crate) fn caller(sign_in: &SignIn) -> AuditParty {
    AuditParty {
        user_id: sign_in.user_id.clone(),
        name: sign_in.user_name.clone(),
        device_id: Some(sign_in.device_id.clone()),
        peer_id: None,
    }
}

/// Who is connected.
pub(crate) fn peer(peer: &LivePeer) -> AuditParty {
    AuditParty {
        user_id: peer.user_id.clone(),
        name: peer.user_name(),
        device_id: Some(peer.device_id.clone()),
        peer_id: Some(peer.id.clone()),
    }
}

/// Somebody, whatever device they use.
pub(crate) fn person(user_id: UserId, name: impl Into<String>) -> AuditParty {
    AuditParty {
        user_id,
        name: name.into(),
        device_id: None,
        peer_id: None,
    }
}

//! Chat: stored first, then acknowledged, then shown to the room.
//!
//! One task stores for all sockets, so that a batch shares one commit and the room sees messages in the order of their
//! `seq`. Bound of its queue: 1,024 messages; past it the sender gets `STORE_UNAVAILABLE` and nobody waits. Ends with the
//! last sender, after what is queued.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::sync::Arc;
use std::time::Instant;

use mesh_protocol::error_code::SignalCode;
use mesh_protocol::http::Member;
use mesh_protocol::ids::{MessageId, RoomId};
use mesh_protocol::signal::ServerMessage;
use tokio::sync::mpsc;

use super::event::{ack, error, event};
use crate::bus::{Bus, BusEvent};
use crate::clock::Clock;
use crate::hub::LivePeer;
use crate::mentions;
use crate::metrics::Metrics;
use crate::notify::Notices;
use crate::store::{Appended, NewMessage, Store, StoreError};

const QUEUE: usize = 1_024;
/// The most messages of one transaction.
const BATCH: usize = 128;

/// A message on its way to the store.
pub(super) struct Pending {
    pub(super) message: NewMessage,
    pub(super) author: Arc<LivePeer>,
    /// What `ack` or `error` names.
    pub(super) reference: Option<MessageId>,
}

/// Where sockets put messages.
#[derive(Clone)]
pub struct ChatQueue {
    queue: mpsc::Sender<Pending>,
}

impl ChatQueue {
    /// The queue and the task that empties it.
    pub fn new(
        store: Arc<dyn Store>,
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        notices: Notices,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let writer = Writer {
            store,
            bus,
            clock,
            notices,
            metrics,
        };
        (Self { queue }, writer.run(waiting))
    }

    /// Messages that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Queues a message; `false` where the store cannot keep up.
    pub(super) fn push(&self, pending: Pending) -> bool {
        self.queue.try_send(pending).is_ok()
    }
}

struct Writer {
    store: Arc<dyn Store>,
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    notices: Notices,
    metrics: Arc<Metrics>,
}

impl Writer {
    async fn run(self, mut waiting: mpsc::Receiver<Pending>) {
        let mut batch = Vec::new();
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            let messages = batch.iter().map(|pending| pending.message.clone()).collect();
            let begun = Instant::now();
            let appended = self.append(messages).await;
            self.metrics.chat_commit.observe(begun.elapsed().as_secs_f64());
            match appended {
                Ok(outcomes) => {
                    for (pending, outcome) in batch.drain(..).zip(outcomes) {
                        self.tell(&pending, outcome);
                    }
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "chat messages were not stored"
                    );
                    self.metrics.chat_failed.inc_by(batch.len() as u64);
                    for pending in batch.drain(..) {
                        self.refuse(
                            &pending,
                            SignalCode::StoreUnavailable,
                            "the message was not stored: try again",
                        );
                    }
                }
            }
        }
    }

    async fn append(&self, mut messages: Vec<NewMessage>) -> Result<Vec<Appended>, StoreError> {
        let mut members: HashMap<RoomId, Vec<Member>> = HashMap::new();
        for message in messages.iter_mut().filter(|message| message.text.contains('@')) {
            let room = message.room_id.clone();
            let members = match members.entry(room) {
                Occupied(known) => known.into_mut(),
                Vacant(unknown) => {
                    let read = self.store.members(unknown.key()).await?;
                    unknown.insert(read)
                }
            };
            message.mentions = mentions::resolve(&message.text, members);
        }
        self.store.append_messages(&messages).await
    }

    fn tell(&self, pending: &Pending, outcome: Appended) {
        match outcome {
            Appended::Stored(message) => {
                self.metrics.chat_stored.inc();
                self.acknowledge(pending, message.seq);
                self.notices.message(&message);
                let (room_id, seq) = (message.room_id.clone(), message.seq);
                let frame = event(
                    &*self.clock,
                    room_id.as_str(),
                    ServerMessage::ChatMessageCreated(*message),
                );
                self.bus.publish(BusEvent::Chat { room_id, seq, frame });
            }
            Appended::Repeated(seq) => self.acknowledge(pending, seq),
            Appended::Conflict => {
                self.refuse(
                    pending,
                    SignalCode::BadPayload,
                    "this client_id was used in another room: take a new one",
                );
            }
            Appended::NotAMember => {
                self.refuse(pending, SignalCode::RoomNotFound, "there is no such room for you")
            }
        }
    }

    fn acknowledge(&self, pending: &Pending, seq: u64) {
        if let Some(reference) = pending.reference.clone() {
            pending.author.outbound.push(ack(
                &*self.clock,
                pending.author.id.as_str(),
                reference,
                Some(seq),
            ));
        }
    }

    fn refuse(&self, pending: &Pending, code: SignalCode, detail: &str) {
        self.metrics.signal_error(code);
        let (to, reference) = (pending.author.id.as_str(), pending.reference.clone());
        pending
            .author
            .outbound
            .push(error(&*self.clock, to, code, detail, reference));
    }
}

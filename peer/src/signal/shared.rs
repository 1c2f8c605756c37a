//! What the socket's task and its handles share: who we are, the rooms to be in, and who waits for an answer.
//!
//! One plain mutex, held for a few map operations and never across an await.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mesh_protocol::ids::{MessageId, PeerId, RoomId};
use mesh_protocol::signal::{
    Ack, ClientMessage, Envelope, InRoom, RoomState, ServerMessage, SetPresence, Welcome,
};
use tokio::sync::{oneshot, watch};

use super::SignalError;

/// Answers awaited at once; more are refused with [`SignalError::Busy`].
const MAX_WAITING: usize = 1024;

/// A message on its way to the socket. It is good for one connection only: on the next one the server knows this
/// device by another `peer_id`.
pub(super) struct Outgoing {
    pub(super) connection: u64,
    pub(super) text: String,
}

/// Who waits for what.
pub(super) enum Waiting {
    Ack(oneshot::Sender<Result<Ack, SignalError>>),
    State(RoomId, oneshot::Sender<Result<RoomState, SignalError>>),
    Refusal(oneshot::Sender<SignalError>),
    /// Nobody; but a refusal means that this room is no longer ours.
    Join(RoomId),
}

impl Waiting {
    fn fail(self, error: SignalError) {
        // A waiter that has gone has nothing to learn.
        match self {
            Self::Ack(reply) => drop(reply.send(Err(error))),
            Self::State(_, reply) => drop(reply.send(Err(error))),
            Self::Refusal(reply) => drop(reply.send(error)),
            Self::Join(_) => {}
        }
    }

    fn room(&self) -> Option<&RoomId> {
        match self {
            Self::State(room, _) | Self::Join(room) => Some(room),
            Self::Ack(_) | Self::Refusal(_) => None,
        }
    }
}

#[derive(Default)]
struct State {
    /// The rooms to be in after every reconnect, each with the presence last set there.
    rooms: BTreeMap<RoomId, Option<SetPresence>>,
    waiting: HashMap<MessageId, Waiting>,
    named: u64,
    /// Counts connections; 0 is none.
    connection: u64,
    online: bool,
    /// The server passes `terminal.data` on.
    terminal_data: bool,
    /// A room was left while there was no connection: the server does not know, and must not put the old peer back.
    left_offline: bool,
}

pub(super) struct Shared {
    state: Mutex<State>,
    peer: watch::Sender<Option<PeerId>>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::default(),
            peer: watch::Sender::new(None),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in a critical section can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn peer(&self) -> watch::Receiver<Option<PeerId>> {
        self.peer.subscribe()
    }

    pub(super) fn current_peer(&self) -> Option<PeerId> {
        self.peer.borrow().clone()
    }

    pub(super) fn carries_terminals(&self) -> bool {
        self.state().terminal_data
    }

    pub(super) fn rooms(&self) -> Vec<RoomId> {
        self.state().rooms.keys().cloned().collect()
    }

    /// Keeps what is to be repeated on the next connection. Gives whether the message is such a one.
    pub(super) fn remember(&self, message: &ClientMessage) -> bool {
        let mut guard = self.state();
        let State {
            rooms,
            left_offline,
            online,
            ..
        } = &mut *guard;
        match message {
            ClientMessage::RoomJoin(InRoom { room_id }) => {
                rooms.entry(room_id.clone()).or_default();
            }
            ClientMessage::RoomLeave(InRoom { room_id }) => {
                rooms.remove(room_id);
                *left_offline |= !*online;
            }
            ClientMessage::PresenceSet(presence) => {
                if let Some(kept) = rooms.get_mut(&presence.room_id) {
                    *kept = Some(presence.clone());
                }
            }
            _ => return false,
        }
        true
    }

    pub(super) fn forget_room(&self, room: &RoomId) {
        self.state().rooms.remove(room);
    }

    /// Names and encodes a message for the connection that stands now.
    pub(super) fn prepare(
        &self,
        message: ClientMessage,
        waiting: Option<Waiting>,
    ) -> Result<(MessageId, Outgoing), SignalError> {
        let mut state = self.state();
        if !state.online {
            return Err(SignalError::Offline);
        }
        let connection = state.connection;
        let (id, text) = encode(&mut state.named, message)?;
        if let Some(waiting) = waiting {
            if state.waiting.len() >= MAX_WAITING {
                return Err(SignalError::Busy);
            }
            state.waiting.insert(id.clone(), waiting);
        }
        Ok((id, Outgoing { connection, text }))
    }

    pub(super) fn give_up(&self, id: &MessageId) {
        self.state().waiting.remove(id);
    }

    /// Whether the next connection may be for the same peer.
    pub(super) fn may_resume(&self) -> bool {
        !self.state().left_offline
    }

    /// A connection stands: gives its number and the messages that put everything back as it was.
    pub(super) fn connected(&self, welcome: &Welcome) -> (u64, Vec<String>) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.connection += 1;
        state.online = true;
        state.terminal_data = welcome.terminal_data;
        state.left_offline = false;
        let mut replay = Vec::new();
        for (room_id, presence) in &state.rooms {
            let join = ClientMessage::RoomJoin(InRoom {
                room_id: room_id.clone(),
            });
            // Rooms and presences that were sent once fit a second time.
            if let Ok((id, text)) = encode(&mut state.named, join) {
                state.waiting.insert(id, Waiting::Join(room_id.clone()));
                replay.push(text);
            }
            let presence = presence.clone().map(ClientMessage::PresenceSet);
            if let Some(Ok((_, text))) = presence.map(|message| encode(&mut state.named, message)) {
                replay.push(text);
            }
        }
        let connection = state.connection;
        drop(guard);
        self.peer.send_replace(Some(welcome.peer_id.clone()));
        (connection, replay)
    }

    /// The connection is gone; whoever waited on it learns so.
    pub(super) fn disconnected(&self, error: &SignalError) {
        let waiting = {
            let mut state = self.state();
            state.online = false;
            std::mem::take(&mut state.waiting)
        };
        self.peer.send_replace(None);
        for (_, waiting) in waiting {
            waiting.fail(error.clone());
        }
    }

    /// Tells whoever waits for this answer. Gives whether the message is only for them.
    pub(super) fn answered(&self, message: &ServerMessage) -> bool {
        match message {
            ServerMessage::Ack(ack) => {
                if let Some(Waiting::Ack(reply)) = self.state().waiting.remove(&ack.reference) {
                    drop(reply.send(Ok(ack.clone())));
                }
                true
            }
            ServerMessage::RoomState(room) => {
                let mut state = self.state();
                let of_room = |(id, waiting): (&MessageId, &Waiting)| {
                    (waiting.room() == Some(&room.room_id)).then(|| id.clone())
                };
                let ids: Vec<MessageId> = state.waiting.iter().filter_map(of_room).collect();
                for id in ids {
                    if let Some(Waiting::State(_, reply)) = state.waiting.remove(&id) {
                        drop(reply.send(Ok(room.clone())));
                    }
                }
                false
            }
            ServerMessage::Error(error) => {
                let mut state = self.state();
                let waiting = error.reference.as_ref().and_then(|id| state.waiting.remove(id));
                let Some(waiting) = waiting else { return false };
                let no_room = error.code == mesh_protocol::error_code::SignalCode::RoomNotFound;
                if let Some(room) = waiting.room().filter(|_| no_room) {
                    state.rooms.remove(room);
                }
                let told = !matches!(waiting, Waiting::Join(_));
                waiting.fail(SignalError::Refused {
                    code: error.code,
                    detail: error.detail.clone(),
                });
                told
            }
            ServerMessage::RoomLeft(left) => {
                if Some(&left.peer_id) == self.peer.borrow().as_ref() {
                    self.forget_room(&left.room_id);
                }
                false
            }
            _ => false,
        }
    }
}

fn encode(named: &mut u64, message: ClientMessage) -> Result<(MessageId, String), SignalError> {
    *named += 1;
    // A letter and a number always make an identifier.
    let id: MessageId = format!("c{named}").parse().map_err(|_| SignalError::Busy)?;
    let envelope = Envelope::named(id.clone(), message);
    let text = serde_json::to_string(&envelope).map_err(|_| SignalError::TooLarge(0))?;
    if text.len() > mesh_protocol::limits::MAX_SIGNAL_FRAME {
        return Err(SignalError::TooLarge(text.len()));
    }
    Ok((id, text))
}

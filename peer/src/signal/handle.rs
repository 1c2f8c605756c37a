//! The way into the socket for everyone else.
//!
//! Owns [`SignalHandle`]. What is sent while there is no connection fails at once with [`SignalError::Offline`]: a
//! message of yesterday's `peer_id` helps nobody. Rooms and presence are the exception, they are kept and repeated.

use std::sync::Arc;
use std::time::Duration;

use mesh_protocol::ids::{MessageId, PeerId, RoomId};
use mesh_protocol::signal::{Ack, ClientMessage, InRoom, RoomState};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::SignalError;
use super::shared::{Outgoing, Shared, Waiting};

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends messages over the one socket; cheap to clone.
#[derive(Clone)]
pub struct SignalHandle {
    shared: Arc<Shared>,
    outbound: mpsc::Sender<Outgoing>,
}

impl std::fmt::Debug for SignalHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignalHandle")
            .field("peer_id", &self.current_peer())
            .finish_non_exhaustive()
    }
}

impl SignalHandle {
    pub(super) fn new(shared: Arc<Shared>, outbound: mpsc::Sender<Outgoing>) -> Self {
        Self { shared, outbound }
    }

    /// Who this device is on the connection that stands now; `None` while there is none.
    pub fn peer_id(&self) -> watch::Receiver<Option<PeerId>> {
        self.shared.peer()
    }

    /// The value of [`Self::peer_id`] now.
    pub fn current_peer(&self) -> Option<PeerId> {
        self.shared.current_peer()
    }

    /// Whether the server passes a terminal's frames on where no direct connection can be made, as it said last.
    pub fn carries_terminals(&self) -> bool {
        self.shared.carries_terminals()
    }

    /// The rooms that are joined again after each reconnect.
    pub fn rooms(&self) -> Vec<RoomId> {
        self.shared.rooms()
    }

    /// Sends; what the server says to it comes as an event. Waits while the outbound queue is full.
    pub async fn send(&self, message: ClientMessage) -> Result<(), SignalError> {
        let kept = self.shared.remember(&message);
        let join = match &message {
            ClientMessage::RoomJoin(InRoom { room_id }) => Some(Waiting::Join(room_id.clone())),
            _ => None,
        };
        match self.dispatch(message, join).await {
            Err(SignalError::Offline) if kept => Ok(()),
            sent => sent.map(drop),
        }
    }

    /// Sends, and listens for a refusal: most messages are answered with silence when all is well.
    pub async fn post(&self, message: ClientMessage) -> Result<Posted, SignalError> {
        self.shared.remember(&message);
        let (reply, refused) = oneshot::channel();
        let id = self.dispatch(message, Some(Waiting::Refusal(reply))).await?;
        Ok(Posted {
            refused: Some(refused),
            guard: Guard {
                shared: self.shared.clone(),
                id,
            },
        })
    }

    /// Sends a message that the server acknowledges (chat), and waits for that.
    pub async fn request(&self, message: ClientMessage) -> Result<Ack, SignalError> {
        self.shared.remember(&message);
        let (reply, answer) = oneshot::channel();
        let id = self.dispatch(message, Some(Waiting::Ack(reply))).await?;
        self.answer(id, answer).await
    }

    /// Is in the room from now on, after every reconnect too; waits for the room's state. After
    /// [`SignalError::Offline`] and [`SignalError::Timeout`] it is still joined as soon as there is a connection.
    pub async fn join(&self, room_id: &RoomId) -> Result<RoomState, SignalError> {
        let message = ClientMessage::RoomJoin(InRoom {
            room_id: room_id.clone(),
        });
        self.shared.remember(&message);
        let (reply, answer) = oneshot::channel();
        let id = self
            .dispatch(message, Some(Waiting::State(room_id.clone(), reply)))
            .await?;
        self.answer(id, answer).await
    }

    /// Is not in the room any more.
    pub async fn leave(&self, room_id: &RoomId) -> Result<(), SignalError> {
        self.send(ClientMessage::RoomLeave(InRoom {
            room_id: room_id.clone(),
        }))
        .await
    }

    async fn dispatch(
        &self,
        message: ClientMessage,
        waiting: Option<Waiting>,
    ) -> Result<MessageId, SignalError> {
        if self.outbound.is_closed() {
            return Err(SignalError::Ended);
        }
        let (id, outgoing) = self.shared.prepare(message, waiting)?;
        if self.outbound.send(outgoing).await.is_err() {
            self.shared.give_up(&id);
            return Err(SignalError::Ended);
        }
        Ok(id)
    }

    async fn answer<T>(
        &self,
        id: MessageId,
        answer: oneshot::Receiver<Result<T, SignalError>>,
    ) -> Result<T, SignalError> {
        let _guard = Guard {
            shared: self.shared.clone(),
            id,
        };
        match timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(SignalError::Ended),
            Err(_) => Err(SignalError::Timeout),
        }
    }
}

/// A message that was sent and may yet be refused.
#[must_use = "a refusal that nobody waits for is lost; use `send` where it does not matter"]
pub struct Posted {
    /// Taken once it has spoken.
    refused: Option<oneshot::Receiver<SignalError>>,
    guard: Guard,
}

impl Posted {
    /// The server's name for it in answers.
    pub fn id(&self) -> &MessageId {
        &self.guard.id
    }

    /// Resolves when the server refuses the message or the connection is lost, and never when all is well.
    pub async fn refused(&mut self) -> SignalError {
        if let Some(refused) = &mut self.refused {
            let told = refused.await;
            self.refused = None;
            if let Ok(error) = told {
                return error;
            }
        }
        std::future::pending().await
    }
}

/// Stops waiting when it goes.
struct Guard {
    shared: Arc<Shared>,
    id: MessageId,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.give_up(&self.id);
    }
}

//! Notifications: people who are not looking hear of what concerns them.
//!
//! Whoever acts says so to [`Notices`] and never waits; the [`router`] decides who is told and puts that into the outbox of
//! the store; the [`outbox`] sends, patiently. What leaves the server names who and where, and nothing of what was said.
//! Knows no HTTP route and no socket of a client.

mod address;
mod calls;
pub(crate) mod gotify;
mod notifier;
mod ntfy;
mod outbound;
mod outbox;
mod places;
mod router;
mod rules;
mod text;
mod web_push;

pub(crate) use address::place;
pub(crate) use calls::Moving;
pub use places::{Places, PlacesError};
pub(crate) use rules::check_quiet_hours;
pub(crate) use web_push::check_keys;

use std::sync::Arc;

use mesh_protocol::http::{ChatMessage, NotificationEvent};
use mesh_protocol::ids::{PeerId, RoomId, SessionId, UserId};
use mesh_protocol::signal::ClientType;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::clock::Clock;
use crate::hub::{CallAnswers, Hub, LivePeer};
use crate::store::Store;
use calls::{Call, Calls};

/// What happened and was not routed yet; past it a notice is lost, since chat and relay never wait for one.
const QUEUE: usize = 4_096;

/// What somebody asks another for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Access {
    Terminal,
    Control,
    Screen,
    File,
    Folder,
    /// To be let into the room.
    Entry,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Message,
    CallMissed(SessionId),
    TransferCompleted,
    TerminalShared,
    Asks(Access),
}

impl What {
    fn event(&self) -> NotificationEvent {
        match self {
            Self::Message => NotificationEvent::ChatMessageCreated,
            Self::CallMissed(_) => NotificationEvent::CallMissed,
            Self::TransferCompleted => NotificationEvent::ShareCompleted,
            Self::TerminalShared => NotificationEvent::TerminalShareStarted,
            Self::Asks(_) => NotificationEvent::AccessRequested,
        }
    }
}

/// Whom it concerns, beside who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Audience {
    Members,
    /// Owners and moderators.
    Moderators,
    User(UserId),
}

/// Something that somebody may want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Happening {
    what: What,
    room_id: RoomId,
    author: UserId,
    author_name: String,
    to: Audience,
    /// Whom a message names.
    mentions: Vec<UserId>,
}

/// Where everyone says what happened. Nothing here waits.
#[derive(Clone)]
pub struct Notices {
    queue: mpsc::Sender<Happening>,
    calls: Arc<Mutex<Calls>>,
    hub: Arc<Hub>,
    clock: Arc<dyn Clock>,
}

/// Calls that ring are counted where the caller is; who answers them may be on another node.
struct Elsewhere(Arc<Mutex<Calls>>);

impl CallAnswers for Elsewhere {
    fn accepted(&self, session: &SessionId, by: &PeerId) {
        self.0.lock().accepted(session, by);
    }

    fn ended(&self, session: &SessionId, by: &PeerId) {
        // The caller is here.
        self.0.lock().declined(session, by);
    }
}

/// What was said to [`Notices`] and waits for its router.
pub(crate) struct Waiting(mpsc::Receiver<Happening>);

impl Notices {
    pub(crate) fn new(hub: Arc<Hub>, clock: Arc<dyn Clock>) -> (Self, Waiting) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let calls: Arc<Mutex<Calls>> = Arc::default();
        hub.tell_answers(Box::new(Elsewhere(calls.clone())));
        let notices = Self {
            queue,
            calls,
            hub,
            clock,
        };
        (notices, Waiting(waiting))
    }

    fn tell(&self, happening: Happening) {
        if self.queue.try_send(happening).is_err() {
            tracing::debug!("too much happens at once: a notification was dropped");
        }
    }

    /// A chat message was stored.
    pub(crate) fn message(&self, message: &ChatMessage) {
        self.tell(Happening {
            what: What::Message,
            room_id: message.room_id.clone(),
            author: message.user_id.clone(),
            author_name: message.name.clone(),
            to: Audience::Members,
            mentions: message.mentions.clone(),
        });
    }

    /// Somebody waits to be let into a room.
    pub(crate) fn waits(&self, room_id: RoomId, user: UserId, name: String) {
        self.tell(Happening {
            what: What::Asks(Access::Entry),
            room_id,
            author: user,
            author_name: name,
            to: Audience::Moderators,
            mentions: Vec::new(),
        });
    }

    /// A message of a client was passed on.
    pub(crate) fn relayed(
        &self,
        kind: ClientType,
        from: &LivePeer,
        room_id: &RoomId,
        target: Option<&PeerId>,
        session: Option<&SessionId>,
    ) {
        use ClientType as T;
        let what = match kind {
            T::CallRequest | T::CallAccept | T::CallDecline | T::CallEnd => {
                if let Some(session) = session {
                    self.call(kind, from, room_id, target, session);
                }
                return;
            }
            T::ShareCompleted => What::TransferCompleted,
            T::TerminalShareStarted => What::TerminalShared,
            T::TerminalShareRequest => What::Asks(Access::Terminal),
            T::TerminalControlTake => What::Asks(Access::Control),
            T::ScreenShareRequest => What::Asks(Access::Screen),
            T::ShareFileRequest => What::Asks(Access::File),
            T::ShareFolderRequest => What::Asks(Access::Folder),
            _ => return,
        };
        let Some(to) = self.audience(target) else { return };
        self.tell(Happening {
            what,
            room_id: room_id.clone(),
            author: from.user_id.clone(),
            author_name: from.user_name(),
            to,
            mentions: Vec::new(),
        });
    }

    /// `None` where the target has just gone.
    fn audience(&self, target: Option<&PeerId>) -> Option<Audience> {
        let Some(target) = target else {
            return Some(Audience::Members);
        };
        Some(Audience::User(self.hub.user_of(target)?))
    }

    /// What a peer rings that goes on at another node, and nobody misses here.
    pub(crate) fn hand_over(&self, caller: &PeerId) -> Vec<Moving> {
        self.calls.lock().hand_over(caller, self.clock.now_ms())
    }

    /// What a peer rings that goes on here.
    pub(crate) fn take_over(&self, calls: Vec<Moving>) {
        self.calls.lock().take_over(calls, self.clock.now_ms());
    }

    fn call(
        &self,
        kind: ClientType,
        from: &LivePeer,
        room: &RoomId,
        target: Option<&PeerId>,
        id: &SessionId,
    ) {
        let missed = match kind {
            ClientType::CallRequest => {
                let Some(to) = self.audience(target) else { return };
                let call = Call {
                    session_id: id.clone(),
                    room_id: room.clone(),
                    caller: from.id.clone(),
                    target: target.cloned(),
                    author: from.user_id.clone(),
                    author_name: from.user_name(),
                    to,
                };
                self.calls.lock().requested(call, self.clock.now_ms());
                return;
            }
            ClientType::CallEnd => self.calls.lock().ended(id, &from.id),
            ClientType::CallAccept => {
                self.calls.lock().accepted(id, &from.id);
                Vec::new()
            }
            _ => {
                self.calls.lock().declined(id, &from.id);
                Vec::new()
            }
        };
        for call in missed {
            self.tell(call.into());
        }
    }
}

/// What the two tasks need.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) places: Arc<Places>,
}

/// The tasks of notifications.
pub(crate) struct Tasks {
    /// Ends with the last [`Notices`], after what was said to them.
    pub(crate) routing: JoinHandle<()>,
    /// Ends by the stop token.
    pub(crate) sending: JoinHandle<()>,
}

/// Starts them.
pub(crate) fn start(notices: &Notices, waiting: Waiting, parts: Parts, stop: CancellationToken) -> Tasks {
    let wake = Arc::new(Notify::new());
    let router = router::Router {
        store: parts.store.clone(),
        hub: notices.hub.clone(),
        bus: parts.bus,
        clock: notices.clock.clone(),
        calls: notices.calls.clone(),
        wake: wake.clone(),
        server_default: parts.places.has_server_default(),
        rung: router::Rung::default(),
    };
    let outbox = outbox::Outbox {
        store: parts.store,
        clock: notices.clock.clone(),
        places: parts.places,
        wake,
    };
    Tasks {
        routing: tokio::spawn(router.run(waiting.0)),
        sending: tokio::spawn(outbox.run(stop)),
    }
}

//! Hands what comes over the socket to the session that it belongs to.
//!
//! Owns the routes. One plain mutex, never held across an await; nothing here waits, so that one session that does not
//! read never holds up the socket or another session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mesh_protocol::ids::{PeerId, RoomId, SessionId};
use mesh_protocol::signal::ServerMessage;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use super::message::{Answer, answer_of, session_of};
use super::{SessionEnd, SessionError};
use crate::signal::{EndReason, SignalEvent};

/// Messages that wait for one session. Beyond it candidates are dropped (others are tried) and anything else ends that
/// session: no honest end has so much to say.
pub const INBOX: usize = 128;

/// How long a session outlives its peer's `room.left`.
pub const PEER_LEFT_GRACE: Duration = Duration::from_secs(5);

/// What the control plane has decided about a session. Kept apart from the inbox, so that no flood can push it out.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Alive,
    Left(Instant),
    Revoked(String),
    Overrun,
}

struct Route {
    id: u64,
    room_id: RoomId,
    /// `None` while anyone in the room may answer.
    remote: Option<PeerId>,
    /// It was a request to the room: those who accept too late are heard, so that they can be turned away.
    to_room: bool,
    inbox: mpsc::Sender<(PeerId, ServerMessage)>,
    fate: watch::Sender<Fate>,
}

#[derive(Default)]
struct Routes {
    sessions: HashMap<SessionId, Vec<Route>>,
    next: u64,
    /// The server said that it goes away; what it says of others leaving is its own leaving.
    draining: bool,
}

/// All live sessions of this device; cheap to clone.
#[derive(Clone, Default)]
pub struct SessionRouter {
    routes: Arc<Mutex<Routes>>,
}

impl std::fmt::Debug for SessionRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRouter")
            .field("sessions", &self.lock().sessions.len())
            .finish()
    }
}

impl SessionRouter {
    /// Without any session.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Routes> {
        // Nothing in a critical section can panic half-way.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many sessions have a route.
    pub fn len(&self) -> usize {
        self.lock().sessions.values().map(Vec::len).sum()
    }

    /// Whether no session has a route.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on, messages of this session from `remote` (from anyone, if `None`) come to the route given back; until
    /// it is dropped. An answerer registers as soon as the request comes, so that a cancel during consent is seen.
    /// Fails when that session with that peer has a route already.
    pub fn register(
        &self,
        session_id: &SessionId,
        room_id: &RoomId,
        remote: Option<&PeerId>,
    ) -> Result<SessionRoute, SessionError> {
        let mut routes = self.lock();
        let taken =
            |route: &Route| route.remote.is_none() || remote.is_none() || route.remote.as_ref() == remote;
        if routes
            .sessions
            .get(session_id)
            .is_some_and(|routes| routes.iter().any(taken))
        {
            return Err(SessionError::Protocol("the session exists already".to_owned()));
        }
        routes.next += 1;
        let id = routes.next;
        let (inbox, messages) = mpsc::channel(INBOX);
        let (fate, fates) = watch::channel(Fate::Alive);
        let (room_id, to_room, remote) = (room_id.clone(), remote.is_none(), remote.cloned());
        let route = Route {
            id,
            room_id,
            remote,
            to_room,
            inbox,
            fate,
        };
        routes.sessions.entry(session_id.clone()).or_default().push(route);
        Ok(SessionRoute {
            router: self.clone(),
            session_id: session_id.clone(),
            id,
            messages,
            fate: fates,
        })
    }

    /// Takes what belongs to a live session out of the stream of events and gives back the rest, which is the caller's.
    /// Every event must come through here, in order.
    pub fn dispatch(&self, event: SignalEvent) -> Option<SignalEvent> {
        match event {
            SignalEvent::Message { from, message } => self
                .message(from.as_ref(), message)
                .map(|message| SignalEvent::Message { from, message }),
            SignalEvent::Connected(welcome) => {
                self.lock().draining = false;
                Some(SignalEvent::Connected(welcome))
            }
            SignalEvent::Ended(reason @ EndReason::SignInNeeded) => {
                // Signed out, or removed: what this device may do on its owner's behalf ends here too.
                self.each(|_| true, |_| Some(Fate::Revoked(reason.to_string())));
                Some(SignalEvent::Ended(reason))
            }
            gone @ (SignalEvent::Disconnected { .. } | SignalEvent::Ended(_)) => {
                // The server that said so may have been dying itself.
                self.each(
                    |_| true,
                    |fate| matches!(fate, Fate::Left(_)).then_some(Fate::Alive),
                );
                Some(gone)
            }
        }
    }

    fn message(&self, from: Option<&PeerId>, message: ServerMessage) -> Option<ServerMessage> {
        match &message {
            ServerMessage::Drain(_) => {
                self.lock().draining = true;
                self.each(
                    |_| true,
                    |fate| matches!(fate, Fate::Left(_)).then_some(Fate::Alive),
                );
                return Some(message);
            }
            ServerMessage::RoomLeft(left) if !self.lock().draining => {
                let of = |route: &Route| {
                    route.room_id == left.room_id && route.remote.as_ref() == Some(&left.peer_id)
                };
                let now = Instant::now();
                self.each(of, |fate| (*fate == Fate::Alive).then_some(Fate::Left(now)));
                return Some(message);
            }
            ServerMessage::RoomJoined(joined) => {
                let peer = Some(&joined.peer.peer_id);
                let of = |route: &Route| route.room_id == joined.room_id && route.remote.as_ref() == peer;
                self.each(of, |fate| matches!(fate, Fate::Left(_)).then_some(Fate::Alive));
                return Some(message);
            }
            ServerMessage::CapRevoked(revoked) => {
                // Only the server takes back; whatever names a peer as its sender is not from it.
                if from.is_some() {
                    return None;
                }
                let routes = self.lock();
                for route in routes.sessions.get(&revoked.session_id).into_iter().flatten() {
                    route.fate.send_replace(Fate::Revoked(revoked.reason.clone()));
                }
                let known = routes.sessions.contains_key(&revoked.session_id);
                drop(routes);
                return (!known).then_some(message);
            }
            _ => {}
        }
        let (Some(from), Some(session_id)) = (from, session_of(&message)) else {
            return Some(message);
        };
        let routes = self.lock();
        let late = matches!(answer_of(&message), Some(Answer::Yes { .. }));
        let mine = |route: &&Route| {
            route.remote.as_ref().is_none_or(|remote| remote == from) || (route.to_room && late)
        };
        let Some(route) = routes
            .sessions
            .get(session_id)
            .and_then(|routes| routes.iter().find(mine))
        else {
            return Some(message);
        };
        let candidate = matches!(message, ServerMessage::RtcIce(_));
        if route.inbox.try_send((from.clone(), message)).is_err() {
            if candidate {
                debug!(%from, "a candidate was dropped: the session does not keep up");
            } else if *route.fate.borrow() == Fate::Alive {
                warn!(%from, "a session is ended: its peer floods it");
                route.fate.send_replace(Fate::Overrun);
            }
        }
        None
    }

    fn each(&self, of: impl Fn(&Route) -> bool, change: impl Fn(&Fate) -> Option<Fate>) {
        for route in self.lock().sessions.values().flatten().filter(|route| of(route)) {
            route.fate.send_if_modified(|fate| match change(fate) {
                Some(new) => {
                    *fate = new;
                    true
                }
                None => false,
            });
        }
    }
}

/// A session's place in the router; dropping it takes the route away.
#[derive(Debug)]
pub struct SessionRoute {
    router: SessionRouter,
    session_id: SessionId,
    id: u64,
    messages: mpsc::Receiver<(PeerId, ServerMessage)>,
    fate: watch::Receiver<Fate>,
}

impl SessionRoute {
    /// The session that it is for.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// The next message of this session and the peer that sent it; or why the session must not go on. Cancel safe.
    pub async fn next(&mut self) -> Result<(PeerId, ServerMessage), SessionEnd> {
        tokio::select! {
            biased;
            end = ended(self.fate.clone()) => Err(end),
            message = self.messages.recv() => message.ok_or(SessionEnd::Dropped),
        }
    }

    /// Resolves when the session must not go on. Cancel safe.
    pub async fn ended(&self) -> SessionEnd {
        ended(self.fate.clone()).await
    }

    /// Of everyone who might have answered it is `remote`; others are not heard any more, but for those that answer too
    /// late: they are to be turned away.
    pub(super) fn bind(&self, remote: &PeerId) {
        let mut routes = self.router.lock();
        let routes = routes.sessions.get_mut(&self.session_id).into_iter().flatten();
        for route in routes.filter(|route| route.id == self.id) {
            route.remote = Some(remote.clone());
        }
    }
}

async fn ended(mut fate: watch::Receiver<Fate>) -> SessionEnd {
    loop {
        let left = match fate.borrow_and_update().clone() {
            Fate::Revoked(reason) => return SessionEnd::Revoked(reason),
            Fate::Overrun => return SessionEnd::Overrun,
            Fate::Left(at) => Some(at),
            Fate::Alive => None,
        };
        let over = async {
            match left {
                Some(at) => sleep_until(at + PEER_LEFT_GRACE).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = fate.changed() => if changed.is_err() { return SessionEnd::Dropped },
            () = over => return SessionEnd::PeerLeft,
        }
    }
}

impl Drop for SessionRoute {
    fn drop(&mut self) {
        let mut routes = self.router.lock();
        if let Some(of_session) = routes.sessions.get_mut(&self.session_id) {
            of_session.retain(|route| route.id != self.id);
            if of_session.is_empty() {
                routes.sessions.remove(&self.session_id);
            }
        }
    }
}

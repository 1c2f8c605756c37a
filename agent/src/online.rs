//! A connection to the server with its rooms, for a command or for the daemon.
//!
//! Owns [`Online`]: the socket, the router of sessions and the roster. Its events must be read all the time; commands do
//! so beside what they wait for with [`Online::alongside`].

use std::time::Duration;

use mesh_peer::rtc::RtcConfig;
use mesh_peer::session::{SessionContext, SessionRouter};
use mesh_peer::signal::{ControlPlane, EndReason, Keys, Signal, SignalEvent};
use mesh_protocol::capability::Feature;
use mesh_protocol::ids::{PeerId, RoomId};
use mesh_protocol::signal::{ClientMessage, InRoom, ServerMessage, SetPresence, Status};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::config::Settings;
use crate::daemon::roster::Roster;
use crate::exit::{Failure, Outcome};

/// How long the socket and the state of all rooms may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// What happened and is not a session's.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "handed from call to caller, one at a time, and nearly always a message"
)]
pub enum Incoming {
    Connected,
    Disconnected,
    /// For good; nothing follows.
    Ended(EndReason),
    Message {
        from: Option<PeerId>,
        message: ServerMessage,
    },
}

/// One connection.
#[derive(Debug)]
pub struct Online {
    pub context: SessionContext,
    pub roster: Roster,
    signal: Signal,
    events: mpsc::Receiver<SignalEvent>,
    ended: bool,
    connected: bool,
}

impl Online {
    /// Starts connecting; `control` has a session.
    pub fn start(control: ControlPlane, settings: &Settings) -> Self {
        let (signal, events) = Signal::start(control.clone());
        let rtc = RtcConfig {
            relay_only: settings.relay_only,
            ..RtcConfig::default()
        };
        let keys = Keys::new(control.clone());
        let context = SessionContext::new(control, signal.handle(), keys, SessionRouter::new(), rtc);
        Self {
            context,
            roster: Roster::default(),
            signal,
            events,
            ended: false,
            connected: false,
        }
    }

    /// Connects and waits until it is in these rooms, offering these features there.
    pub async fn enter(
        control: ControlPlane,
        settings: &Settings,
        rooms: &[RoomId],
        offers: &[Feature],
    ) -> Outcome<Self> {
        let server = control.base().to_owned();
        let mut online = Self::start(control, settings);
        let until = Instant::now() + CONNECT_WITHIN;
        while !(online.connected && rooms.iter().all(|room| online.roster.rooms.contains_key(room))) {
            let incoming = timeout_at(until, online.next()).await.map_err(|_| {
                Failure::network(format!(
                    "{server} does not answer on its WebSocket: check the network and any proxy between."
                ))
            })?;
            match incoming {
                Incoming::Connected => online.join(rooms, offers).await,
                Incoming::Ended(reason) => return Err(ended(&reason, &server)),
                Incoming::Disconnected | Incoming::Message { .. } => {}
            }
        }
        Ok(online)
    }

    /// Joins, and says what this device answers requests for. Repeated by the connection itself after a cut.
    pub async fn join(&self, rooms: &[RoomId], offers: &[Feature]) {
        for room_id in rooms {
            let presence = SetPresence {
                room_id: room_id.clone(),
                status: Status::Online,
                offers: offers.to_vec(),
            };
            // Offline, both are remembered.
            let _ = self
                .context
                .signal()
                .send(ClientMessage::RoomJoin(InRoom {
                    room_id: room_id.clone(),
                }))
                .await;
            let _ = self
                .context
                .signal()
                .send(ClientMessage::PresenceSet(presence))
                .await;
        }
    }

    /// The next event that is not a session's. Cancel-safe.
    pub async fn next(&mut self) -> Incoming {
        loop {
            if self.ended {
                return std::future::pending().await;
            }
            let event = self
                .events
                .recv()
                .await
                .unwrap_or(SignalEvent::Ended(EndReason::Stopped));
            match self.context.router().dispatch(event) {
                None => {}
                Some(SignalEvent::Connected(_)) => {
                    self.connected = true;
                    return Incoming::Connected;
                }
                Some(SignalEvent::Disconnected { .. }) => {
                    self.connected = false;
                    return Incoming::Disconnected;
                }
                Some(SignalEvent::Ended(reason)) => {
                    (self.ended, self.connected) = (true, false);
                    return Incoming::Ended(reason);
                }
                Some(SignalEvent::Message { from, message }) => {
                    self.roster.observe(from.as_ref(), &message);
                    return Incoming::Message { from, message };
                }
            }
        }
    }

    /// Whether the socket stands.
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Keeps reading events until the future is done. What goes on from device to device needs no server, so that even
    /// the end of this connection does not end it.
    pub async fn alongside<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = self.next() => {}
            }
        }
    }

    /// Closes the socket.
    pub async fn close(self) {
        // Events that nobody reads must not hold up the end.
        drop(self.events);
        self.signal.stop().await;
    }
}

/// Why the connection will not come back.
pub fn ended(reason: &EndReason, server: &str) -> Failure {
    match reason {
        EndReason::SignInNeeded => Failure::sign_in(format!(
            "Your sign-in has ended: run `mesh login {server}` again."
        )),
        EndReason::Version { .. } => Failure::general(crate::cli::sentence(&reason.to_string())),
        EndReason::Stopped => Failure::network("The connection to the server was closed."),
    }
}

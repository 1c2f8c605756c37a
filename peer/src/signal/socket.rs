//! The task that keeps the WebSocket: connects, stays, comes back.
//!
//! Owns [`Signal`] and its events. One task; it ends when [`Signal`] is dropped or stopped, when nobody reads the
//! events, or when the session has ended for good.

use std::sync::Arc;
use std::time::Duration;

use mesh_protocol::ids::PeerId;
use mesh_protocol::signal::{ServerMessage, Welcome};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::link::{self, Around, LinkEnd, Resume};
use super::shared::{Outgoing, Shared};
use super::{ControlPlane, SignalError, SignalHandle};

/// Events that wait for their reader. When it is full nothing more is read from the socket; nothing is dropped.
pub const EVENTS: usize = 256;
/// Messages that wait for the socket. When it is full the sender waits; they fail when the connection is lost.
const OUTBOUND: usize = 64;

/// What happened on the socket, in order.
#[derive(Debug)]
pub enum SignalEvent {
    /// Connected as this peer: after a short cut the same as before, and what was missed follows. Rooms and presence are
    /// put back by themselves; shares are not (they need fresh
    /// capabilities): announce them again when the room's `RoomState` comes.
    Connected(Welcome),
    /// A message, of a peer or (`from` absent) of the server itself. Acknowledgements, and refusals that somebody waits
    /// for, go to them instead.
    Message {
        /// The peer that the server names as the sender.
        from: Option<PeerId>,
        /// What it said.
        message: ServerMessage,
    },
    /// The connection is lost; the next attempt is after `retry_in`. Comes after each failed attempt too.
    Disconnected {
        /// The time until then.
        retry_in: Duration,
    },
    /// It is over: the last event.
    Ended(EndReason),
}

/// Why there will be no further attempt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// The session has expired, or was ended.
    #[error("this device is signed out; sign in again")]
    SignInNeeded,
    /// The server is of another time.
    #[error(
        "the server speaks version {server} of the protocol and this program {}; update the older one",
        mesh_protocol::PROTOCOL_VERSION
    )]
    Version {
        /// What the server speaks.
        server: u32,
    },
    /// It was stopped here.
    #[error("the connection was closed here")]
    Stopped,
}

/// Owns the socket's task: dropping it closes the connection.
#[derive(Debug)]
pub struct Signal {
    handle: SignalHandle,
    task: JoinHandle<()>,
    /// Ends the task; it closes the socket first, within a second.
    stop: DropGuard,
}

impl Signal {
    /// Starts connecting with the session of `control`. The receiver must be read all the time: do not wait for an
    /// answer ([`SignalHandle::request`], [`SignalHandle::join`]) in the loop that reads it. Must be called within a
    /// tokio runtime.
    pub fn start(control: ControlPlane) -> (Self, mpsc::Receiver<SignalEvent>) {
        let shared = Arc::new(Shared::new());
        let (outbound, queue) = mpsc::channel(OUTBOUND);
        let (events, receiver) = mpsc::channel(EVENTS);
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep(control, shared.clone(), queue, events, stop.clone()));
        (
            Self {
                handle: SignalHandle::new(shared, outbound),
                task,
                stop: stop.drop_guard(),
            },
            receiver,
        )
    }

    /// A way to send.
    pub fn handle(&self) -> SignalHandle {
        self.handle.clone()
    }

    /// Closes the connection and waits until that is done.
    pub async fn stop(self) {
        drop(self.stop);
        // A task that panicked has closed it too.
        let _ = self.task.await;
    }
}

async fn keep(
    control: ControlPlane,
    shared: Arc<Shared>,
    mut outbound: mpsc::Receiver<Outgoing>,
    events: mpsc::Sender<SignalEvent>,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::new();
    let mut resume: Option<Resume> = None;
    let reason = loop {
        let end = tokio::select! {
            () = stop.cancelled() => LinkEnd::Stopped,
            connected = link::connect(&control, resume.as_ref().filter(|_| shared.may_resume())) => match connected {
                Err(end) => end,
                Ok((socket, welcome)) => {
                    let since = Instant::now();
                    let same = resume.take().filter(|before| before.peer_id == welcome.peer_id);
                    let resume = resume.insert(Resume {
                        peer_id: welcome.peer_id.clone(),
                        token: welcome.resume.clone(),
                        seen: same.map_or(0, |before| before.seen),
                    });
                    let around = Around { shared: &shared, outbound: &mut outbound, events: &events, stop: &stop };
                    let end = link::run(socket, welcome, &mut resume.seen, around).await;
                    shared.disconnected(&SignalError::Offline);
                    backoff.held(since.elapsed());
                    end
                }
            },
        };
        let retry_in = match end {
            LinkEnd::SignInNeeded => break EndReason::SignInNeeded,
            LinkEnd::Version(server) => break EndReason::Version { server },
            LinkEnd::Stopped => break EndReason::Stopped,
            LinkEnd::Restart => backoff.restart(rand::random()),
            LinkEnd::Refused(why) => {
                warn!(%why, "the server refuses this connection for now");
                backoff.at_most();
                backoff.next(rand::random())
            }
            LinkEnd::Lost(why) => {
                debug!(%why, "not connected");
                backoff.next(rand::random())
            }
        };
        let wait = async {
            if events.send(SignalEvent::Disconnected { retry_in }).await.is_ok() {
                sleep(retry_in).await;
            }
            // Meant for the connection that is gone; kept, they would fill the queue.
            while outbound.try_recv().is_ok() {}
            events.is_closed()
        };
        let nobody_reads = tokio::select! {
            () = stop.cancelled() => true,
            gone = wait => gone,
        };
        if nobody_reads {
            break EndReason::Stopped;
        }
    };
    info!(%reason, "the connection to the server has ended");
    drop(outbound);
    shared.disconnected(&SignalError::Ended);
    tokio::select! {
        () = stop.cancelled() => drop(events.try_send(SignalEvent::Ended(reason))),
        _ = events.send(SignalEvent::Ended(reason.clone())) => {}
    }
}

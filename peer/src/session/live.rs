//! A session that is open: its frames for an engine, and the task that ends it when it must end.
//!
//! Owns [`OpenSession`] and its supervisor. The supervisor holds what carries the session; it ends with [`SessionControl`].

use std::time::Duration;

use mesh_protocol::capability::Claims;
use mesh_protocol::signal::ServerMessage;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, info};

use super::carried::Carried;
use super::message::{Answer, answer_of};
use super::negotiate::{take_candidate, trickle, turn_away};
use super::repath::Repath;
use super::{Binding, Judge, Renewal, SessionContext, SessionEnd, SessionError, SessionRoute};
use crate::rtc::{Connection, ConnectionEvent};
use crate::transport::{FrameReceiver, FrameSender, LinkStats};

/// Messages of the other end that wait for the session's owner. When it is full new ones are dropped: all that matters
/// for safety is done by the supervisor, and what a person asked for they can ask again.
const MESSAGES: usize = 32;

/// How long a connection may take to deliver what stands in its queue, after its owner has let go of it.
const LINGER: Duration = Duration::from_secs(5);

/// An authenticated session: the other end has shown a capability for it, over this very connection.
#[derive(Debug)]
pub struct OpenSession {
    /// Frames to the other end. Dropping it closes the channel once everything is delivered.
    pub frames_tx: FrameSender,
    /// Frames of the other end, HELLO taken out. `None` means that the session has ended; [`SessionControl::ended`]
    /// says why.
    pub frames_rx: FrameReceiver,
    /// Path, round trip and the like.
    pub link: watch::Receiver<LinkStats>,
    /// What the other end may do: `caps`, and for a transfer `max_size`.
    pub claims: Claims,
    /// Session, room, both ends and the feature.
    pub binding: Binding,
    /// Fresh tokens of our own.
    pub renewal: Renewal,
    /// For further tokens of the other end.
    pub judge: Judge,
    /// Keeps the session: dropping it ends it at once.
    pub control: SessionControl,
}

/// Holds a session open and tells what the other end says over the server.
#[derive(Debug)]
pub struct SessionControl {
    messages: mpsc::Receiver<ServerMessage>,
    ended: watch::Receiver<Option<SessionEnd>>,
    /// Ends the supervisor, and with it the connection.
    _stop: DropGuard,
}

impl SessionControl {
    /// The next message of the other end about this session: control, cancel, completed. `None` when it has ended.
    /// Cancel safe. It need not be read.
    pub async fn next(&mut self) -> Option<ServerMessage> {
        self.messages.recv().await
    }

    /// Resolves when the session is over, with the reason. Cancel safe.
    pub async fn ended(&self) -> SessionEnd {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or(SessionEnd::Dropped),
            Err(_) => SessionEnd::Dropped,
        }
    }

    /// A view of the end that can be kept apart from the session.
    pub fn watch_end(&self) -> watch::Receiver<Option<SessionEnd>> {
        self.ended.clone()
    }

    /// The orderly end: after the frame sender was dropped, waits until everything is delivered and the channel closed.
    /// The transport bounds it (60 s). Dropping the control instead may lose what is still on its way.
    pub async fn finish(self) -> SessionEnd {
        self.ended().await
    }
}

/// What carries the frames of a session. Dropping it ends them at once.
#[derive(Debug)]
pub(super) enum Carrier {
    Direct(Connection),
    Server(Carried),
}

impl Carrier {
    async fn close(&self) {
        match self {
            Self::Direct(connection) => connection.close().await,
            // It goes with the carrier.
            Self::Server(_) => {}
        }
    }

    /// Takes what is the carrier's of what the other end says over the server; gives the rest back.
    async fn take(&self, message: ServerMessage) -> Result<Option<ServerMessage>, SessionEnd> {
        match (self, message) {
            (Self::Direct(connection), ServerMessage::RtcIce(trickled)) => {
                take_candidate(connection, trickled).await;
                Ok(None)
            }
            (Self::Server(carried), ServerMessage::TerminalData(piece)) => carried.take(piece).map(|()| None),
            // A connection that stands is described anew only for another path, which is the supervisor's; and what crosses its
            // making is late.
            (
                _,
                ServerMessage::RtcOffer(_)
                | ServerMessage::RtcAnswer(_)
                | ServerMessage::RtcIce(_)
                | ServerMessage::TerminalData(_),
            ) => Ok(None),
            (_, other) => Ok(Some(other)),
        }
    }

    /// Serves the carrier until the two ends know each other; resolves when they must not any more.
    pub(super) async fn meanwhile(&self, route: &mut SessionRoute) -> SessionError {
        if matches!(self, Self::Direct(_)) {
            // What is said now is the supervisor's.
            return route.ended().await.into();
        }
        loop {
            let message = match route.next().await {
                Ok((_, message)) => message,
                Err(end) => return end.into(),
            };
            match self.take(message).await {
                Ok(Some(other)) => {
                    if let Some(Answer::No(reason)) = answer_of(&other) {
                        return SessionError::Declined(reason);
                    }
                }
                Ok(None) => {}
                Err(end) => return end.into(),
            }
        }
    }
}

/// Starts the task that owns an open connection.
pub(super) fn supervise(
    ctx: SessionContext,
    binding: Binding,
    carrier: Carrier,
    events: mpsc::Receiver<ConnectionEvent>,
    route: SessionRoute,
    cap_token: String,
    repath: Repath,
) -> SessionControl {
    let (to_owner, messages) = mpsc::channel(MESSAGES);
    let (end_tx, ended) = watch::channel(None);
    let stop = CancellationToken::new();
    let supervisor = Supervisor {
        ctx,
        binding,
        carrier,
        events,
        route,
        cap_token,
        repath,
        to_owner,
    };
    let stopped = stop.clone();
    // Ends when the control is dropped, or with the session.
    tokio::spawn(async move {
        let end = tokio::select! {
            () = stopped.cancelled() => SessionEnd::Dropped,
            end = supervisor.run() => end,
        };
        end_tx.send_replace(Some(end));
    });
    SessionControl {
        messages,
        ended,
        _stop: stop.drop_guard(),
    }
}

struct Supervisor {
    ctx: SessionContext,
    binding: Binding,
    carrier: Carrier,
    events: mpsc::Receiver<ConnectionEvent>,
    route: SessionRoute,
    cap_token: String,
    repath: Repath,
    to_owner: mpsc::Sender<ServerMessage>,
}

impl Supervisor {
    async fn run(mut self) -> SessionEnd {
        let mut stopped = None;
        let end = loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(ConnectionEvent::Candidate(candidate)) => {
                        trickle(&self.ctx, &self.binding, &self.cap_token, Some(candidate)).await;
                    }
                    Some(ConnectionEvent::EndOfCandidates) => {
                        trickle(&self.ctx, &self.binding, &self.cap_token, None).await;
                    }
                    Some(ConnectionEvent::Disturbed) => self.repath.on_disturbed(),
                    Some(ConnectionEvent::Restored) => self.repath.on_restored(),
                    // There is one channel; a second opening cannot be.
                    Some(ConnectionEvent::Open(_)) => {}
                    Some(ConnectionEvent::Closed(why)) => {
                        break stopped.map_or(SessionEnd::Closed(why), SessionEnd::Stopped);
                    }
                    None => break SessionEnd::Closed("the connection ended".to_owned()),
                },
                said = self.route.next() => {
                    let (from, message) = match said {
                        Ok(said) => said,
                        Err(end) => {
                            self.carrier.close().await;
                            break end;
                        }
                    };
                    if from != self.binding.remote {
                        turn_away(&self.ctx, &self.binding, from).await;
                        continue;
                    }
                    let Some(message) = self.repath.take(message) else { continue };
                    match self.carrier.take(message).await {
                        Ok(None) => {}
                        Ok(Some(other)) => {
                            if let Some(Answer::No(reason)) = answer_of(&other) {
                                stopped = Some(reason);
                            }
                            if self.to_owner.try_send(other).is_err() {
                            debug!(session_id = %self.binding.session_id, "a message was dropped: nobody reads them");
                            }
                        }
                        Err(end) => break end,
                    }
                }
                ready = self.repath.next() => if let Carrier::Direct(connection) = &self.carrier
                    && let Some(cap_token) = self.repath.go(connection, ready).await
                {
                    self.cap_token = cap_token;
                }
            }
        };
        info!(session_id = %self.binding.session_id, remote = %self.binding.remote, %end, "the session has ended");
        end
    }
}

/// Keeps what carried a session whose queues were dropped until it has delivered what stands in them, at most [`LINGER`].
pub(super) fn linger(carrier: Carrier, mut events: mpsc::Receiver<ConnectionEvent>) {
    // Ends by itself: with the connection, or after the time.
    tokio::spawn(async move {
        let closed = async {
            while let Some(event) = events.recv().await {
                if matches!(event, ConnectionEvent::Closed(_)) {
                    break;
                }
            }
        };
        let _ = timeout(LINGER, closed).await;
        drop(carrier);
    });
}

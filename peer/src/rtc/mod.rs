//! The WebRTC driver: one `RTCPeerConnection` with one data channel, as a [`Transport`].
//!
//! Owns connections: [`Connection::start`], then [`Connection::offer`] and [`Connection::accept_answer`] at one end
//! and [`Connection::accept_offer`] at the other, candidates both ways as they come, until
//! [`ConnectionEvent::Open`]. It must not know signalling (the caller carries descriptions and candidates), features
//! beyond their name, or what a frame means.
//!
//! The protocol stack (`rtc`) does no I/O of its own; `driver` is the one task of a connection that feeds it. Each
//! other file owns one thing that task needs: sockets, server discovery, STUN, TURN, local names, the repair of losses,
//! the cap on what is in flight, the pace.

mod candidate;
mod certificate;
mod channel;
mod config;
mod congestion;
mod driver;
mod gather;
mod mdns;
mod negotiation;
mod pace;
pub mod probe;
mod repair;
mod socket;
mod stun;
mod turn;

use tokio::sync::{mpsc, oneshot, watch};

pub use candidate::{IceCandidate, fingerprint_of_sdp};
pub use certificate::Certificate;
pub use config::{IceServer, MAX_RECEIVE_BYTES, MAX_SEND_BYTES, RtcConfig, RtcError};
pub use pace::Pace;
pub use repair::MAX_RECORD_BYTES;

use crate::transport::{FrameReceiver, FrameSender, LinkStats, Transport};

/// Commands that wait for the driver; the caller waits when it is full.
const COMMANDS: usize = 32;

/// Events that wait for the caller. The candidates of one path, the end of them, the opening, the disturbances and the end all
/// fit at once, so that the driver never waits; a caller that reads none while a second path is looked for misses candidates.
const EVENTS: usize = config::MAX_LOCAL_CANDIDATES + 16;

/// What a connection tells its owner.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// An address of this end that the description did not hold yet; to be handed to the other end.
    Candidate(IceCandidate),
    /// There will be no more candidates.
    EndOfCandidates,
    /// The channel is open, with the expected name, and both certificates were checked.
    Open(RtcTransport),
    /// Nothing of the other end has come for five seconds. The connection ends ten seconds later if nothing does, and if another
    /// path is looked for meanwhile ([`Connection::restart`]) five seconds after that.
    Disturbed,
    /// The other end is heard again, after [`Self::Disturbed`] or on another path.
    Restored,
    /// The connection is over; the reason is for a person to read.
    Closed(String),
}

/// What the handle asks of the driver.
enum Command {
    Offer(Option<usize>, oneshot::Sender<Result<String, RtcError>>),
    AcceptOffer(String, oneshot::Sender<Result<String, RtcError>>),
    AcceptAnswer(String, oneshot::Sender<Result<(), RtcError>>),
    Restart(Vec<IceServer>, oneshot::Sender<Result<String, RtcError>>),
    AcceptRestart(String, Vec<IceServer>, oneshot::Sender<Result<String, RtcError>>),
    AddCandidate(IceCandidate, oneshot::Sender<Result<(), RtcError>>),
    Close(oneshot::Sender<()>),
}

/// One peer connection. It owns the driver's task: dropping this handle ends the connection.
#[derive(Debug)]
pub struct Connection {
    commands: mpsc::Sender<Command>,
    fingerprint: String,
}

impl Connection {
    /// Opens sockets and starts looking for addresses. `feature` names the channel: label `feature`, protocol
    /// `mesh.<feature>.v1`. Must be called within a tokio runtime.
    pub fn start(
        config: RtcConfig,
        feature: &str,
    ) -> Result<(Self, mpsc::Receiver<ConnectionEvent>), RtcError> {
        let (commands, command_queue) = mpsc::channel(COMMANDS);
        let (events, event_queue) = mpsc::channel(EVENTS);
        let driver = driver::Driver::new(config, feature, command_queue, events)?;
        let fingerprint = driver.fingerprint().to_owned();
        // The task ends when `commands` is dropped with the handle.
        tokio::spawn(driver.run());
        Ok((
            Self {
                commands,
                fingerprint,
            },
            event_queue,
        ))
    }

    /// The SHA-256 fingerprint of this end's DTLS certificate (`AB:CD:…`, upper case), known before any offer.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Creates the channel and the offer for the other end. `max_record`: how long a DTLS record may be, in bytes, for that end to
    /// put it together from several datagrams, where it has said so ([`MAX_RECORD_BYTES`] for one that is this driver).
    pub async fn offer(&self, max_record: Option<usize>) -> Result<String, RtcError> {
        self.ask(|reply| Command::Offer(max_record, reply)).await?
    }

    /// Takes the other end's offer; gives the answer for it.
    pub async fn accept_offer(&self, sdp: &str) -> Result<String, RtcError> {
        self.ask(|reply| Command::AcceptOffer(sdp.to_owned(), reply))
            .await?
    }

    /// Takes the other end's answer to [`Self::offer`] or [`Self::restart`].
    pub async fn accept_answer(&self, sdp: &str) -> Result<(), RtcError> {
        self.ask(|reply| Command::AcceptAnswer(sdp.to_owned(), reply))
            .await?
    }

    /// Looks for another path of an open connection (an ICE restart, RFC 8445 section 9), from new sockets and by way of these
    /// servers; gives the offer for the other end. What is on its way is kept. For the end that made the first offer; it may
    /// be repeated.
    pub async fn restart(&self, ice_servers: Vec<IceServer>) -> Result<String, RtcError> {
        self.ask(|reply| Command::Restart(ice_servers, reply)).await?
    }

    /// Takes the other end's offer of another path; gives the answer for it. An offer with another certificate is refused.
    pub async fn accept_restart(&self, sdp: &str, ice_servers: Vec<IceServer>) -> Result<String, RtcError> {
        self.ask(|reply| Command::AcceptRestart(sdp.to_owned(), ice_servers, reply))
            .await?
    }

    /// Takes a candidate of the other end; it may come before the description.
    pub async fn add_candidate(&self, candidate: IceCandidate) -> Result<(), RtcError> {
        self.ask(|reply| Command::AddCandidate(candidate, reply)).await?
    }

    /// Ends the connection at once, telling the other end; what was not acknowledged may be lost. Returns when the
    /// sockets are closed. To deliver everything first, drop the frame sender instead and wait for
    /// [`ConnectionEvent::Closed`].
    pub async fn close(&self) {
        let _ = self.ask(Command::Close).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, RtcError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| RtcError::Closed)?;
        answer.await.map_err(|_| RtcError::Closed)
    }
}

/// The open data channel of a connection.
#[derive(Debug)]
pub struct RtcTransport {
    frames: (FrameSender, FrameReceiver),
    link: watch::Receiver<LinkStats>,
    remote_fingerprint: String,
}

impl Transport for RtcTransport {
    fn link(&self) -> watch::Receiver<LinkStats> {
        self.link.clone()
    }

    fn remote_fingerprint(&self) -> &str {
        &self.remote_fingerprint
    }

    fn split(self) -> (FrameSender, FrameReceiver) {
        self.frames
    }
}

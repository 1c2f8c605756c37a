//! How two ends of a session exchange frames, whatever carries them.
//!
//! Owns the [`Transport`] trait and its in-memory implementation for tests. Knows nothing of WebRTC, of features or of
//! what a frame means. The real implementation is [`crate::rtc`].

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

/// Frames that wait between an engine and its transport, each way. Senders wait when it is full; nothing is dropped.
pub const FRAME_QUEUE: usize = 16;

/// Where an engine puts the frames it sends. `send` waits while the path has as much in flight as it can carry.
/// Dropping the last one closes the transport once everything queued has been delivered.
pub type FrameSender = mpsc::Sender<Bytes>;

/// Where an engine takes the frames it receives, in order. `None` means that the transport is closed.
pub type FrameReceiver = mpsc::Receiver<Bytes>;

/// How the two peers are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// No pair of candidates has been selected yet.
    #[default]
    Unknown,
    /// Device to device.
    Direct,
    /// Through a TURN server, at either end.
    Relayed,
    /// Through the Mesh server, which can read along.
    Server,
}

/// A reading of the link, refreshed a few times a second while it is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkStats {
    /// How the peers are joined.
    pub path: Path,
    /// Smoothed round-trip time, once one has been measured.
    pub rtt: Option<Duration>,
    /// Bytes sent and not yet acknowledged by the other end.
    pub in_flight: usize,
    /// The most that may be in flight now; it follows the path.
    pub in_flight_cap: usize,
    /// Why the link ended; `None` while it lives.
    pub closed: Option<String>,
}

/// A reliable, ordered, message-keeping link between two authenticated ends.
pub trait Transport: Send + 'static {
    /// The readings of this link; the last value stays readable after the end.
    fn link(&self) -> watch::Receiver<LinkStats>;

    /// The SHA-256 fingerprint of the certificate that the other end really presented (`AB:CD:…`, upper case).
    fn remote_fingerprint(&self) -> &str;

    /// Gives up the transport for its two halves.
    fn split(self) -> (FrameSender, FrameReceiver);
}

/// One end of a link inside this process; see [`memory_pair`].
#[derive(Debug)]
pub struct MemoryTransport {
    tx: FrameSender,
    rx: FrameReceiver,
    link: watch::Receiver<LinkStats>,
    remote_fingerprint: String,
}

/// Two joined ends for tests; each presents the fingerprint given for it.
pub fn memory_pair(first: &str, second: &str) -> (MemoryTransport, MemoryTransport) {
    let (to_second, second_rx) = mpsc::channel(FRAME_QUEUE);
    let (to_first, first_rx) = mpsc::channel(FRAME_QUEUE);
    let end = |tx, rx, remote: &str| MemoryTransport {
        tx,
        rx,
        link: watch::channel(LinkStats {
            path: Path::Direct,
            ..LinkStats::default()
        })
        .1,
        remote_fingerprint: remote.to_owned(),
    };
    (end(to_second, first_rx, second), end(to_first, second_rx, first))
}

impl Transport for MemoryTransport {
    fn link(&self) -> watch::Receiver<LinkStats> {
        self.link.clone()
    }

    fn remote_fingerprint(&self) -> &str {
        &self.remote_fingerprint
    }

    fn split(self) -> (FrameSender, FrameReceiver) {
        (self.tx, self.rx)
    }
}

//! What a caller chooses for a connection, the fixed sizes of the driver, and its errors.
//!
//! Owns settings and limits only; it must not know sockets or the protocol stack.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Certificate;

/// The largest message this end sends, bytes: a 64 KiB block and its frame header.
pub const MAX_SEND_BYTES: usize = 65_600;

/// The largest message this end takes, bytes; also what it advertises as `a=max-message-size`. No more than ours are,
/// since what a hostile device can make this one hold is a queue of such messages.
pub const MAX_RECEIVE_BYTES: usize = MAX_SEND_BYTES;

/// What a socket asks the kernel for, each way, unless the configuration says otherwise.
pub(super) const WANTED_SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// The most that is in flight to the other end, and the least credit that this end offers as SCTP receiver.
pub(super) const WINDOW_BYTES: usize = 4 << 20;

/// Local candidates of one connection; more are not gathered.
pub(super) const MAX_LOCAL_CANDIDATES: usize = 48;

/// Candidates of the other end that are looked at; more are dropped with a debug line.
pub(super) const MAX_REMOTE_CANDIDATES: usize = 64;

/// STUN and TURN URLs that are used; more are ignored.
pub(super) const MAX_ICE_URLS: usize = 12;

/// From the first description of the other end to the open channel.
pub(super) const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// From the first path found to the open channel: two handshakes with room for several retransmissions.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Silence after which ICE calls the path disturbed, and the further silence after which it is given up.
pub(super) const ICE_DISCONNECTED_AFTER: Duration = Duration::from_secs(5);
pub(super) const ICE_FAILED_AFTER: Duration = Duration::from_secs(10);
pub(super) const ICE_KEEPALIVE_EVERY: Duration = Duration::from_secs(2);

/// From the disturbance to the end, where another path is looked for meanwhile.
pub(super) const RECOVER_WITHIN: Duration = Duration::from_secs(15);

/// After the last message was acknowledged: how long the other end may take to finish reading and close.
pub(super) const CLOSE_LINGER: Duration = Duration::from_secs(60);

/// How often [`crate::transport::LinkStats`] are refreshed.
pub(super) const STATS_EVERY: Duration = Duration::from_millis(250);

/// One STUN or TURN server, in the shape of `RTCIceServer` (several URLs share the credentials).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=udp|tcp`. Others (`turns:`) are skipped with a debug line.
    pub urls: Vec<String>,
    /// User name for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password for TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// How one connection looks for a path.
#[derive(Clone, Debug, Default)]
pub struct RtcConfig {
    /// Of this end. `None`: a new one for the connection.
    pub certificate: Option<Certificate>,
    /// STUN and TURN servers.
    pub ice_servers: Vec<IceServer>,
    /// Use relayed candidates only, so that the other end never learns an address of this device.
    pub relay_only: bool,
    /// Offer loopback addresses too. They are offered anyway when nothing else is up.
    pub loopback: bool,
    /// Bytes that may wait here, unread, for a slow reader; 4 MiB at least. The stack drops what comes beyond them, and says nothing
    /// when there is room again: the other end then tries after a second. An engine that lets more wait than that asks for it here.
    pub unread: usize,
    /// Kernel buffer of each UDP socket, each way, bytes. `None`: as much as the driver likes; `Some(0)`: the
    /// kernel's default.
    pub socket_buffer: Option<usize>,
}

/// Why a connection could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum RtcError {
    /// The description or candidate given cannot be used as it is.
    #[error("the other device sent something that cannot be used: {0}")]
    Invalid(String),
    /// The operation does not fit the state, such as a second offer.
    #[error("not possible now: {0}")]
    State(&'static str),
    /// The operating system refused a socket.
    #[error("no UDP socket could be opened: {0}")]
    Socket(#[from] std::io::Error),
    /// The WebRTC stack refused.
    #[error("WebRTC: {0}")]
    Stack(String),
    /// The connection has ended.
    #[error("the connection is closed")]
    Closed,
}

impl From<rtc::shared::error::Error> for RtcError {
    fn from(error: rtc::shared::error::Error) -> Self {
        Self::Stack(error.to_string())
    }
}

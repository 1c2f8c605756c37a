//! Opening an authenticated session: from a request over the control plane to two queues of frames.
//!
//! Owns the order of things that makes a session trustworthy: the other end's capability is judged against its offer or
//! answer before this end replies, and again against the certificate of the connection itself before a single frame is
//! handed on. Must not know what frames mean (engines) nor who consents (the agent).
//!
//! Enter at [`SessionContext`], [`open_as_requester`] and [`open_as_answerer`]; feed every
//! [`crate::signal::SignalEvent`] through [`SessionRouter::dispatch`].
//!
//! **When a session ends.** By `cap.revoked` and by being signed out at once; by the channel's own end; and when its peer leaves the room, five
//! seconds after the server said so. It does not end when the socket to the server is lost or the server drains: the
//! content goes from device to device. A `room.left` that a dying server sent is told by `system.drain` before it, or by
//! the cut of our own socket within those five seconds; a peer that is back within them has not left either.

mod carried;
mod context;
mod error;
mod hello;
mod live;
mod message;
mod negotiate;
mod open;
mod repath;
mod router;

pub use context::{Binding, Judge, Renewal, SessionContext, UnixClock, unix_now};
pub use error::{SessionEnd, SessionError, Step};
pub use hello::{HelloError, HelloExchange, Turn, exchange_hello, sdp_fingerprint};
pub use live::{OpenSession, SessionControl};
pub use message::{accept, decline, end, session_of};
pub use open::{Accepted, Invitation, Wanted, new_session_id, open_as_answerer, open_as_requester};
pub use router::{INBOX, PEER_LEFT_GRACE, SessionRoute, SessionRouter};

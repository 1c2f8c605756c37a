//! The WebSocket: the upgrade, one task a socket, the rules by which messages are passed on.
//!
//! Enter at [`upgrade`]. The rules are in `docs/protocol.md`, section 3; `relay` follows their order.

pub mod chat;
pub mod codec;
mod connection;
pub(crate) mod event;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod grants;
pub mod outbound;
mod payload;
mod rate;
mod relay;
mod room;
mod signal;
mod socket;
pub(crate) mod upgrade;

//! Everything of Mesh that crosses a wire, shared by server, agent and (generated) the web client.
//!
//! Owns the types, their encodings, the limits, the rules for capabilities and for paths. Knows no runtime, no clock and
//! no I/O: whoever needs the time passes it in. The text for readers is `docs/protocol.md`; `vectors/` pins every message.

pub mod capability;
pub mod channel;
pub mod error_code;
pub mod gotify;
pub mod http;
pub mod ids;
pub mod limits;
pub mod safe_path;
pub mod signal;

/// The version that `system.welcome` and HELLO carry.
pub const PROTOCOL_VERSION: u32 = 1;

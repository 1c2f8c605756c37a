//! The control plane as a client sees it: REST, and one WebSocket that comes back by itself.
//!
//! Owns [`ControlPlane`] (one method a route), [`Signal`] (the task that keeps the socket) with its [`SignalHandle`]
//! and [`SignalEvent`]s, and [`Keys`] (the published keys, cached). Must not know sessions between peers: whoever reads
//! the events hands them to [`crate::session::SessionRouter`]. Enter at [`ControlPlane::new`] and [`Signal::start`].
//!
//! **A cut of this connection ends no session at this end**: content goes from device to device.

mod api;
mod backoff;
mod error;
mod handle;
mod http;
mod keys;
mod link;
mod shared;
mod socket;
mod tls;

pub use api::ControlPlane;
pub use error::{ApiError, SignalError};
pub use handle::{Posted, SignalHandle};
pub use http::SessionToken;
pub use keys::{Keys, KeysError};
pub use socket::{EVENTS, EndReason, Signal, SignalEvent};
pub use tls::config as tls_config;

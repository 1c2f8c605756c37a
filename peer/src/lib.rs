//! One end of a direct session between two devices.

pub mod rtc;
pub mod session;
pub mod signal;
pub mod terminal;
pub mod transfer;
pub mod transport;

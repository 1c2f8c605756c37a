//! One end of a direct session between two devices.

pub mod rtc;
pub mod terminal;
pub mod transfer;
pub mod signal;
pub mod transport;

//! One end of a session from outside, over real connections and in virtual time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod devices;
mod identity;
mod rtc_common;
mod rtc_loopback;
mod rtc_relay;
mod rtc_repair;
mod rtc_vanish;
mod session;
mod session_open;
mod session_routes;
mod signal;
mod signal_fake;
mod sim;

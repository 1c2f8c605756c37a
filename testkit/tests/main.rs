//! What takes a server and another end at once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod another_language;
mod keys;
mod resume;
#[path = "../../peer/tests/rtc_common/mod.rs"]
mod rtc_common;
mod shutdown;
mod signal;

//! Two ends of a session in one process, in virtual time, over a link that delays, cuts and corrupts.
//!
//! Every run is made by a seed, so that a failure repeats. No clock, no socket, no file.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod corruption;
mod crashes;
mod deciding;
mod filter;
mod forbidden;
mod pauses;
mod refusals;
mod rng;
mod steering;
mod strain;
mod terminal;
mod terminal_world;
mod transfer;
mod transfer_world;
mod viewers;

//! Codes: a number and two words by which two devices that never met are sure of each other, whatever the server between
//! them does.
//!
//! `phrase` is what people say and type, `seal` what is made of it. Neither knows the network.

pub mod phrase;
pub mod seal;

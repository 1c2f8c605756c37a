//! Who somebody is: passwords, sign-in tokens, one-time secrets, the keys that sign.
//!
//! Knows no HTTP. What it decides is enforced by `http::session` and `ws::upgrade`.

pub mod capability_keys;
pub mod capability_rate;
pub mod codes;
pub mod keys;
pub mod names;
pub mod oidc;
pub mod pairing;
pub mod password;
pub mod random;
pub mod sign_in_token;
pub mod sign_ins;
pub mod throttle;

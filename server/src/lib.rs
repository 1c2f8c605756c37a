//! The Mesh control plane: it decides and introduces, and never carries content.
pub mod auth;
pub mod clock;
pub mod config;
pub mod store;

//! The Mesh control plane: it decides and introduces, and never carries content.
//!
//! Owns accounts, rooms, capabilities and the relay of signalling. Enter at [`Server::start`]; [`cli`] is the command of the
//! same name. `http` and `ws` speak to clients, `hub` knows who is connected, `bus` carries what happens, `store` keeps what
//! must last, `auth` decides who somebody is. Nothing here knows a DataChannel.

mod app;
mod audit;
pub mod auth;
pub mod bus;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod data_dir;
mod http;
pub mod hub;
mod mentions;
mod metrics;
mod notify;
mod operator;
mod retention;
mod server;
pub mod store;
mod traffic;
mod ws;

pub use config::Config;
pub use server::{Server, StartError};
pub use traffic::Traffic;
/// For the fuzz targets alone.
#[cfg(fuzzing)]
pub use ws::{codec, fuzzing};

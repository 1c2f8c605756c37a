//! The agent of a device: the `mesh` command and its daemon.
//!
//! `cli` reads the command line and talks to the person; `daemon` holds shells and answers requests while nobody looks;
//! `code` is what two devices share that meet by a few words; `online` is the connection to the server and `transfer`
//! files on an open session; `config` finds settings and secrets; `notice` tells the owner, `log` writes down, `autostart` is
//! the operating system's way to start it; `disk` and `pty` are the two resources of this machine that are shared; `system` is what
//! differs between systems. What
//! crosses the network is `mesh-peer`'s; what it looks like is `mesh-protocol`'s.

pub mod autostart;
pub mod cli;
pub mod code;
pub mod config;
pub mod daemon;
pub mod disk;
pub mod exit;
pub mod log;
pub mod notice;
pub mod online;
pub mod pty;
pub mod secrets;
#[cfg(all(target_os = "linux", feature = "desktop"))]
mod session_bus;
mod system;
pub mod transfer;

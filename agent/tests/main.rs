//! The agent from outside: the real command and daemon, over real servers, networks, disks and desktops. The servers, networks
//! and desktops are those of Linux.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[cfg(target_os = "linux")]
mod autostart;
#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod code;
#[cfg(target_os = "linux")]
mod cuts;
#[cfg(target_os = "linux")]
mod desktop;
#[cfg(target_os = "linux")]
mod direct;
mod disk;
#[cfg(target_os = "linux")]
mod fallback;
#[cfg(unix)]
mod folder_disk;
#[cfg(target_os = "linux")]
mod folders;
#[cfg(target_os = "linux")]
mod housekeeping;
#[cfg(target_os = "linux")]
mod ipc;
#[cfg(target_os = "linux")]
mod many;
#[cfg(target_os = "linux")]
mod nat;
#[cfg(target_os = "linux")]
mod own_terminal;
#[cfg(target_os = "linux")]
mod pairing;
#[cfg(target_os = "linux")]
mod pty;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(target_os = "linux")]
mod send;
#[cfg(target_os = "linux")]
mod terminal_programs;
#[cfg(target_os = "linux")]
mod terminal_safety;
#[cfg(target_os = "linux")]
mod terminals;
#[cfg(target_os = "linux")]
mod world;

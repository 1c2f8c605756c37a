//! The agent from outside: the real command and daemon, over real servers, networks, disks and desktops.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod autostart;
mod cli;
mod code;
mod cuts;
mod desktop;
mod direct;
mod disk;
mod fallback;
mod folder_disk;
mod folders;
mod housekeeping;
mod ipc;
mod many;
mod nat;
mod own_terminal;
mod pairing;
mod pty;
mod refusals;
mod send;
mod terminal_programs;
mod terminal_safety;
mod terminals;
mod world;

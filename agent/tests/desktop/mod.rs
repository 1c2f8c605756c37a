//! The daemon on a desktop: a session's bus of its own, Debian's dunst and GNOME Keyring on it, a tray over zbus, a Gotify after
//! its published interface.
#![cfg(target_os = "linux")]

mod notices;
mod secrets;
mod session;
mod tray;

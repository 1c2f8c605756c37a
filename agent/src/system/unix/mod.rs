//! Linux, macOS and other POSIX systems.

pub(super) mod files;
pub(super) mod paths;
pub(super) mod process;
#[cfg(target_os = "macos")]
pub(crate) mod screen;
pub(super) mod socket;
pub(super) mod terminal;

//! Windows 10 and later.

pub(super) mod files;
pub(super) mod paths;
pub(super) mod process;
pub(crate) mod screen;
pub(super) mod security;
pub(super) mod socket;
pub(super) mod terminal;

//! Linux, macOS and other POSIX systems.

mod device;
mod session;

pub(super) use device::Device;
pub(super) use session::Session;

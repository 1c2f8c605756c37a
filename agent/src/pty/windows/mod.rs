//! Windows 10 1809 and later, which have pseudoconsoles (ConPTY).

mod device;
mod session;

pub(super) use device::Device;
pub(super) use session::Session;

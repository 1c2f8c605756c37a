//! The master end of a pseudo-terminal, read and written without a thread to block for it.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use portable_pty::MasterPty;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub(in crate::pty) struct Device(AsyncFd<OwnedFd>);

impl Device {
    /// Of a terminal that nobody else reads or writes.
    pub(in crate::pty) fn of(master: &dyn MasterPty) -> io::Result<Self> {
        let raw = master
            .as_raw_fd()
            .ok_or_else(|| io::Error::other("the terminal has no descriptor"))?;
        // SAFETY: `master` is borrowed, and keeps it open, until the copy is made.
        #[allow(unsafe_code)]
        let own = unsafe { BorrowedFd::borrow_raw(raw) }.try_clone_to_owned()?;
        rustix::io::ioctl_fionbio(&own, true)?;
        // SAFETY: an `OwnedFd` is the same open file for as long as it lives.
        #[allow(unsafe_code)]
        let registered = unsafe { AsyncFd::register(own) }?;
        Ok(Self(registered))
    }

    /// Waits for output; 0 or an error once there is no more. Cancel-safe.
    pub(in crate::pty) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = |fd: &OwnedFd| Ok(rustix::io::read(fd, &mut *buffer)?);
        self.0.async_io(Interest::READABLE, read).await
    }

    /// What is there already.
    pub(in crate::pty) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0
            .try_io(Interest::READABLE, |fd| Ok(rustix::io::read(fd, buffer)?))
    }

    /// As much as the terminal takes now.
    pub(in crate::pty) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.0.get_ref(), bytes)?)
    }

    pub(in crate::pty) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let write = |fd: &OwnedFd| Ok(rustix::io::write(fd, bytes)?);
            let written = self.0.async_io(Interest::WRITABLE, write).await?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

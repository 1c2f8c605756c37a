//! Making several files, or folders, safe on the disk at once.

use std::fs::File;
use std::io;

use super::dir::Dir;

/// What has to be on the disk before the next step.
#[derive(Clone, Copy, Debug)]
pub(super) enum Settling<'a> {
    File(&'a File),
    /// The names in it.
    #[cfg_attr(windows, expect(dead_code, reason = "the file system sees to them"))]
    Folder(&'a Dir),
}

/// Returns once all of them would survive the loss of power.
#[cfg(unix)]
pub(super) fn together<'a>(all: impl Iterator<Item = Settling<'a>>) -> io::Result<()> {
    use std::collections::HashMap;
    use std::os::fd::AsFd as _;
    let mut distinct = HashMap::new();
    for one in all {
        let fd = match one {
            Settling::File(file) => file.as_fd(),
            Settling::Folder(dir) => dir.as_fd(),
        };
        let stat = rustix::fs::fstat(fd)?;
        distinct.insert((stat.st_dev, stat.st_ino), fd);
    }
    // Any one of each disk.
    let disks: HashMap<_, _> = distinct.iter().map(|((device, _), fd)| (*device, *fd)).collect();
    settle(distinct.into_values(), disks.into_values())?;
    Ok(())
}

/// So many are synchronised one by one, so that the rest of a busy disk need not be waited for; of more, the whole file
/// system is, which takes a fraction of the time.
#[cfg(target_os = "linux")]
const ONE_BY_ONE: usize = 16;

#[cfg(target_os = "linux")]
fn settle<'a>(
    mut files: impl ExactSizeIterator<Item = std::os::fd::BorrowedFd<'a>>,
    mut disks: impl Iterator<Item = std::os::fd::BorrowedFd<'a>>,
) -> rustix::io::Result<()> {
    if files.len() <= ONE_BY_ONE {
        files.try_for_each(rustix::fs::fsync)
    } else {
        disks.try_for_each(rustix::fs::syncfs)
    }
}

/// `fsync` leaves it in the disk's own memory there; what a disk has in it is told to write once.
#[cfg(target_vendor = "apple")]
fn settle<'a>(
    mut files: impl Iterator<Item = std::os::fd::BorrowedFd<'a>>,
    mut disks: impl Iterator<Item = std::os::fd::BorrowedFd<'a>>,
) -> rustix::io::Result<()> {
    files.try_for_each(rustix::fs::fsync)?;
    disks.try_for_each(rustix::fs::fcntl_fullfsync)
}

#[cfg(all(unix, not(any(target_os = "linux", target_vendor = "apple"))))]
fn settle<'a>(
    mut files: impl Iterator<Item = std::os::fd::BorrowedFd<'a>>,
    _: impl Iterator<Item = std::os::fd::BorrowedFd<'a>>,
) -> rustix::io::Result<()> {
    files.try_for_each(rustix::fs::fsync)
}

/// Returns once all of them would survive the loss of power. The names in a folder are the file system's own care there.
#[cfg(windows)]
pub(super) fn together<'a>(all: impl Iterator<Item = Settling<'a>>) -> io::Result<()> {
    for one in all {
        if let Settling::File(file) = one {
            file.sync_all()?;
        }
    }
    Ok(())
}

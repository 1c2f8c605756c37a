//! Making several files, or folders, safe on the disk at once.

use std::collections::{HashMap, HashSet};
use std::os::fd::BorrowedFd;

/// So many are synchronised one by one, so that the rest of a busy disk need not be waited for; of more, the whole file
/// system is, which takes a fraction of the time.
const ONE_BY_ONE: usize = 16;

/// Returns once all of them would survive the loss of power.
pub(super) fn together<'a>(files: impl Iterator<Item = BorrowedFd<'a>>) -> rustix::io::Result<()> {
    let mut distinct = HashMap::new();
    for file in files {
        let stat = rustix::fs::fstat(file)?;
        distinct.insert((stat.st_dev, stat.st_ino), file);
    }
    if distinct.len() <= ONE_BY_ONE {
        return distinct.into_values().try_for_each(rustix::fs::fsync);
    }
    let mut systems = HashSet::new();
    for ((device, _), file) in distinct {
        if systems.insert(device) {
            rustix::fs::syncfs(file)?;
        }
    }
    Ok(())
}

//! Who uses the data directory, so that nobody replaces it under a running server; and the end of a restore that was cut off.
//!
//! A server, and every command that opens the database, holds a shared lock on `in-use.lock` for as long as it runs; a restore holds it
//! alone. The kernel gives the lock back however a process ends.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::auth::keys::{KeyError, private_dir};

const LOCK: &str = "in-use.lock";
/// What a restore has made ready, whole and checked. From the moment this name exists, it is what counts.
const RESTORED: &str = "restored";
/// The database, and what SQLite keeps beside it.
pub const DATABASE: &str = "mesh.db";
const BESIDE: [&str; 2] = ["mesh.db-wal", "mesh.db-shm"];

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error(transparent)]
    Private(#[from] KeyError),
    #[error("{path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{0} is being restored: wait until that is done")]
    BeingRestored(String),
    #[error("A server or a command uses {0}: stop it first.")]
    InUse(String),
}

/// Held for as long as the directory is used.
#[derive(Debug)]
pub struct InUse {
    _lock: File,
}

/// Uses the directory beside others; it is made where it is absent.
pub fn enter(dir: &Path) -> Result<InUse, DataDirError> {
    private_dir(dir)?;
    if dir.join(RESTORED).exists() {
        let _alone = alone(dir).map_err(|error| match error {
            DataDirError::InUse(dir) => DataDirError::BeingRestored(dir),
            other => other,
        })?;
        finish_restore(dir)?;
    }
    let lock = open_lock(dir)?;
    match lock.try_lock_shared() {
        Ok(()) => Ok(InUse { _lock: lock }),
        Err(TryLockError::WouldBlock) => Err(DataDirError::BeingRestored(dir.display().to_string())),
        Err(TryLockError::Error(source)) => Err(failed(dir, source)),
    }
}

/// Uses the directory while nobody else does.
pub fn alone(dir: &Path) -> Result<InUse, DataDirError> {
    private_dir(dir)?;
    let lock = open_lock(dir)?;
    match lock.try_lock() {
        Ok(()) => Ok(InUse { _lock: lock }),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(dir.display().to_string())),
        Err(TryLockError::Error(source)) => Err(failed(dir, source)),
    }
}

/// Puts a folder of this directory, which holds a database and keys, in the place of what is there. One rename decides; a crash after
/// it is made good by the next who enters.
pub fn replace(dir: &Path, with: &Path, _alone: &InUse) -> Result<(), DataDirError> {
    let restored = dir.join(RESTORED);
    fs::rename(with, &restored).map_err(|error| failed(&restored, error))?;
    sync(dir)?;
    finish_restore(dir)
}

fn finish_restore(dir: &Path) -> Result<(), DataDirError> {
    let restored = dir.join(RESTORED);
    let here = |error| failed(&restored, error);
    for entry in fs::read_dir(&restored).map_err(here)? {
        let entry = entry.map_err(here)?;
        let target = dir.join(entry.file_name());
        if entry.file_name() == DATABASE {
            // What belonged to the old one would be taken for the new one's.
            for beside in BESIDE.map(|name| dir.join(name)) {
                match fs::remove_file(&beside) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(failed(&beside, error));
                    }
                    _ => {}
                }
            }
        }
        fs::rename(entry.path(), &target).map_err(|error| failed(&target, error))?;
    }
    sync(dir)?;
    fs::remove_dir(&restored).map_err(here)
}

/// The keys in the directory.
pub fn keys(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|extension| extension == "key") {
            keys.push(path);
        }
    }
    keys.sort();
    Ok(keys)
}

/// Makes renames in the directory last.
fn sync(dir: &Path) -> Result<(), DataDirError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(|error| failed(dir, error))
}

fn open_lock(dir: &Path) -> Result<File, DataDirError> {
    let path = dir.join(LOCK);
    File::create(&path).map_err(|error| failed(&path, error))
}

fn failed(path: &Path, source: io::Error) -> DataDirError {
    DataDirError::Io {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_used_by_many_or_replaced_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (enter(dir.path()).unwrap(), enter(dir.path()).unwrap());
        assert!(matches!(alone(dir.path()), Err(DataDirError::InUse(_))));
        drop((one, two));
        let alone = alone(dir.path()).unwrap();
        assert!(matches!(enter(dir.path()), Err(DataDirError::BeingRestored(_))));
        drop(alone);
        assert!(enter(dir.path()).is_ok());
    }

    #[test]
    fn a_restore_that_was_cut_off_is_finished_by_the_next_who_enters() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, text) in [
            ("mesh.db", "old"),
            ("mesh.db-wal", "old"),
            ("capability.key", "new"),
        ] {
            fs::write(at(name), text).unwrap();
        }
        // As after the one rename and the first key.
        fs::create_dir(at(RESTORED)).unwrap();
        fs::write(at(RESTORED).join("mesh.db"), "new").unwrap();
        enter(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(at("mesh.db")).unwrap(), "new");
        assert!(!at("mesh.db-wal").exists() && !at(RESTORED).exists());
    }
}

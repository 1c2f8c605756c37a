//! A small file on its way: written without a name, which it gets once it is whole and safe on the disk.
//!
//! What comes in one piece is never taken up by a later attempt, so it needs neither `.part` nor notes; and what has no name is
//! gone by itself when a transfer ends early, even by a kill.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{AtFlags, CWD, OFlags};
use rustix::io::Errno;

use super::DiskError;
use super::folder::{MAX_NUMBERED, Parent, numbered, rename_replacing};
use super::inbox::{CONTENT_MODE, Existing};

/// Where a file that has no name is found by its descriptor.
const DESCRIPTORS: &str = "/proc/self/fd";

/// One of them, open for writing.
#[derive(Debug)]
pub(super) struct Unnamed {
    pub(super) content: File,
    /// For messages only.
    pub(super) shown: PathBuf,
}

impl Unnamed {
    /// `None` where the disk, or this system, has no such files.
    pub(super) fn create(parent: &Parent) -> Result<Option<Self>, DiskError> {
        static CAN_BE_NAMED: OnceLock<bool> = OnceLock::new();
        if !CAN_BE_NAMED.get_or_init(|| Path::new(DESCRIPTORS).is_dir()) {
            return Ok(None);
        }
        let shown = parent.shown.join(&parent.name);
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(&parent.folder, ".", flags, CONTENT_MODE) {
            Ok(content) => Ok(Some(Self {
                content: File::from(content),
                shown,
            })),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
            Err(errno) => Err(DiskError::at(shown, errno)),
        }
    }

    /// Gives it `name`, or what `existing` says where that is taken; says which it has.
    pub(super) fn name(
        &self,
        folder: impl AsFd,
        name: &str,
        existing: Existing,
    ) -> rustix::io::Result<String> {
        let folder = folder.as_fd();
        match (self.link(folder, name), existing) {
            (Ok(()), _) => Ok(name.to_owned()),
            (Err(Errno::EXIST), Existing::Overwrite) => {
                // A link replaces nothing, a renaming does.
                let part = self.first_free(folder, name, ".part")?;
                rename_replacing(folder, &part, name).inspect_err(|_| {
                    let _ = rustix::fs::unlinkat(folder, &part, AtFlags::empty());
                })
            }
            (Err(Errno::EXIST), Existing::Rename | Existing::Skip) => self.first_free(folder, name, ""),
            (Err(errno), _) => Err(errno),
        }
    }

    fn first_free(&self, folder: impl AsFd, name: &str, suffix: &str) -> rustix::io::Result<String> {
        for number in 0..=MAX_NUMBERED {
            let to = numbered(name, number, suffix);
            match self.link(folder.as_fd(), &to) {
                Ok(()) => return Ok(to),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::EXIST)
    }

    fn link(&self, folder: impl AsFd, name: &str) -> rustix::io::Result<()> {
        let own = format!("{DESCRIPTORS}/{}", self.content.as_raw_fd());
        rustix::fs::linkat(CWD, own, folder, name, AtFlags::SYMLINK_FOLLOW)
    }
}

//! A small file on its way: written without a name, which it gets once it is whole and safe on the disk.
//!
//! What comes in one piece is never taken up by a later attempt, so it needs neither `.part` nor notes; and what has no name is
//! gone by itself when a transfer ends early, even by a kill.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use super::DiskError;
use super::dir::{Dir, is_taken};
use super::folder::{MAX_NUMBERED, Parent, numbered, rename_replacing};
use super::inbox::Existing;

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
        let shown = parent.shown.join(&parent.name);
        match parent.folder.unnamed() {
            Ok(content) => Ok(content.map(|content| Self { content, shown })),
            Err(error) => Err(DiskError::at(shown, error)),
        }
    }

    /// Gives it `name`, or what `existing` says where that is taken; says which it has.
    pub(super) fn name(&self, folder: &Dir, name: &str, existing: Existing) -> io::Result<String> {
        match (folder.link(&self.content, name), existing) {
            (Ok(()), _) => Ok(name.to_owned()),
            (Err(error), Existing::Overwrite) if is_taken(&error) => {
                // A link replaces nothing, a renaming does.
                let part = self.first_free(folder, name, ".part")?;
                rename_replacing(folder, &part, name).inspect_err(|_| {
                    let _ = folder.remove(&part);
                })
            }
            (Err(error), Existing::Rename | Existing::Skip) if is_taken(&error) => {
                self.first_free(folder, name, "")
            }
            (Err(error), _) => Err(error),
        }
    }

    fn first_free(&self, folder: &Dir, name: &str, suffix: &str) -> io::Result<String> {
        for number in 0..=MAX_NUMBERED {
            let to = numbered(name, number, suffix);
            match folder.link(&self.content, &to) {
                Ok(()) => return Ok(to),
                Err(error) if is_taken(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

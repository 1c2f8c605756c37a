//! The disk of this machine, as far as others may touch it.
//!
//! [`Folder`] opens beneath one folder only; [`Inbox`] holds files that are being received, resumable, and puts them under
//! their final names; [`SourceFile`] is a file that is being sent, and notices when it changes; [`walk`] finds the files of a
//! folder, and [`SharedFolder`] is one that others may look into.
//! Everything here blocks: callers keep it off the async threads.

mod dir;
mod folder;
mod hashing;
mod inbox;
mod patterns;
mod shared;
mod source;
mod sync;
mod unnamed;
mod walk;

use std::path::PathBuf;

use mesh_protocol::error_code::ChannelCode;

use crate::cli::output::size;

pub use dir::FileId;
pub use folder::Folder;
pub use hashing::hash;
pub use inbox::{Existing, Inbox};
pub use patterns::Patterns;
pub use shared::{Listing, Preview, Pulled, SharedError, SharedFolder, Watchable};
pub use source::SourceFile;
pub use walk::{Met, walk};

/// Which file an open one is, whatever its name.
pub fn file_id(file: &std::fs::File) -> std::io::Result<FileId> {
    dir::Facts::of(file).map(|facts| facts.id)
}

/// Why the disk did not do it; the text goes to the person.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("the disk that holds {} is full: free some space, then send the file again and it goes on where it stopped", .0.display())]
    Full(PathBuf),
    #[error("{} more are needed in {}, and {} are free there: make room, then send it again and it goes on from what is there", size(*.needed), .folder.display(), size(*.free))]
    Short { folder: PathBuf, needed: u64, free: u64 },
    #[error("the file {} changed while it was being sent: send it again", .0.display())]
    SourceChanged(PathBuf),
    #[error("{} is gone or cannot be read: {}", .0.display(), .1)]
    SourceGone(PathBuf, std::io::Error),
    #[error("{} does not match what was announced: send it again", .0.display())]
    HashMismatch(PathBuf),
    #[error("{0} is not a place for a received file: {1}")]
    Place(String, &'static str),
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, std::io::Error),
}

impl DiskError {
    /// What the other end is told.
    pub fn code(&self) -> ChannelCode {
        match self {
            Self::Full(_) | Self::Short { .. } => ChannelCode::DiskFull,
            Self::SourceChanged(_) => ChannelCode::SourceChanged,
            Self::SourceGone(..) => ChannelCode::SourceGone,
            Self::HashMismatch(_) => ChannelCode::HashMismatch,
            Self::Place(..) => ChannelCode::BadPath,
            Self::Io(..) => ChannelCode::Io,
        }
    }

    /// Sorts an error of the system.
    fn at(place: impl Into<PathBuf>, error: impl Into<std::io::Error>) -> Self {
        use std::io::ErrorKind;
        let (place, error) = (place.into(), error.into());
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::Full(place),
            _ => Self::Io(place, error),
        }
    }
}

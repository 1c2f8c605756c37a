//! What the rest asks of a file system: [`Dir`], a folder that is held open, and [`Facts`] of an open file.
//!
//! **Invariant**: what is opened below a [`Dir`] is below it, whatever stands there and whatever happens to it meanwhile: every
//! step starts at a descriptor and follows no link. On Linux the kernel walks (`openat2`); where it does not, each name is
//! opened by itself. Windows opens relative to handles as well, through cap-std.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(super) use unix::{Dir, append_at, let_execute, met_link, open, read_exact_at, write_all_at};
#[cfg(windows)]
pub(super) use windows::{Dir, append_at, let_execute, met_link, open, read_exact_at, write_all_at};

/// What stands under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// A link, a pipe, a device.
    Other,
}

/// Which file it is on this machine, whatever its name.
pub type FileId = (u64, u64);

/// What the file system says of a file or a folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    /// Bytes.
    pub(super) size: u64,
    /// Seconds and nanoseconds since 1970.
    pub(super) modified: (i64, i64),
    pub(super) id: FileId,
    /// How many names it has.
    pub(super) links: u64,
    /// Permissions (POSIX), where there are such.
    pub(super) mode: Option<u32>,
}

impl Facts {
    /// Milliseconds since 1970; `None` before that.
    pub(super) fn modified_at(&self) -> Option<u64> {
        let (seconds, nanoseconds) = self.modified;
        let milliseconds = seconds.checked_mul(1000)?.checked_add(nanoseconds / 1_000_000)?;
        u64::try_from(milliseconds).ok()
    }
}

/// Whether a name that is to be followed may be a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    Followed,
    Refused,
}

/// How a file of a folder is opened to be written. All of them can be read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// One that is there.
    There,
    /// The same, each write at its end.
    Appending,
    /// One that is made and was not there.
    New,
    /// The same, for its owner alone, each write at its end.
    NewNotes,
}

/// Whether a name was not given because something has it.
pub(super) fn is_taken(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::AlreadyExists
}

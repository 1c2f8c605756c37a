//! A file that is being sent. It was hashed before; when it is not that file any more, sending stops.
//!
//! Of a hundred thousand files none stays open: each is opened for a reading, and known again by its stamp.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mesh_peer::transfer::{FileHash, Source};

use super::DiskError;
use super::dir::{self, Facts, FileId, Kind, Links};

/// By what a file is known not to have changed, and not to be another one of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: (i64, i64),
    file: FileId,
}

/// Opens a file once more.
pub(super) type Again = Box<dyn Fn() -> std::io::Result<File> + Send + Sync>;

/// How a file is got at.
enum Origin {
    Path(PathBuf),
    /// No path leads to it.
    Held(File),
    /// By more than a path.
    Again(Again),
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Path(_) => "Path",
            Self::Held(_) => "Held",
            Self::Again(_) => "Again",
        })
    }
}

/// One file on its way out.
#[derive(Debug)]
pub struct SourceFile {
    origin: Origin,
    name: String,
    stamp: Stamp,
    modified_at: Option<u64>,
    mode: Option<u32>,
}

/// A file of which something is being read.
#[derive(Debug)]
pub struct Reading<'a> {
    source: &'a SourceFile,
    opened: Option<File>,
}

impl SourceFile {
    /// An ordinary file that somebody named: links that lead to it are followed.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let facts = facts(&open(path, Links::Followed)?, path)?;
        Ok(Self::of(path, Origin::Path(path.to_owned()), &facts))
    }

    /// An ordinary file that was found in a folder; a link that has taken its place is not followed.
    pub fn found(path: &Path) -> Result<Self, DiskError> {
        let facts = facts(&open(path, Links::Refused)?, path)?;
        Ok(Self::of(path, Origin::Path(path.to_owned()), &facts))
    }

    /// An ordinary file that `again` opens; `path` is what it is called in messages.
    pub(super) fn reopened(file: &File, path: &Path, again: Again) -> Result<Self, DiskError> {
        let facts = facts(file, path)?;
        Ok(Self::of(path, Origin::Again(again), &facts))
    }

    /// A file that has no name on this disk.
    pub fn unnamed(file: File, name: &str) -> Result<Self, DiskError> {
        let facts = facts(&file, Path::new(name))?;
        let source = Self::of(Path::new(name), Origin::Held(file), &facts);
        // When it was spooled, and for whom, says nothing about its content.
        Ok(Self {
            modified_at: None,
            mode: None,
            ..source
        })
    }

    /// What it is called at the other end, by default its own name.
    pub fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    fn of(path: &Path, origin: Origin, facts: &Facts) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            origin,
            name: name.to_string_lossy().into_owned(),
            stamp: stamp_of(facts),
            modified_at: facts.modified_at(),
            mode: facts.mode,
        }
    }

    /// What the engine is told of it, under this path.
    pub fn source(&self, path: String, hash: FileHash) -> Source {
        Source {
            path,
            size: self.stamp.size,
            hash,
            modified_at: self.modified_at,
            mode: self.mode,
        }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.stamp.size
    }

    /// What it is called at the other end.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens it; fails when it is not the file that it was.
    pub fn reading(&self) -> Result<Reading<'_>, DiskError> {
        let opened = match &self.origin {
            Origin::Held(_) => None,
            Origin::Path(path) => {
                Some(open(path, Links::Followed).map_err(|error| self.known_by_name(error))?)
            }
            Origin::Again(again) => {
                Some(again().map_err(|error| DiskError::SourceGone(self.name.clone().into(), error))?)
            }
        };
        let reading = Reading { source: self, opened };
        reading.unchanged()?;
        Ok(reading)
    }

    /// Fails when it is not what it was when it was first looked at.
    pub fn unchanged(&self) -> Result<(), DiskError> {
        self.reading().map(|_| ())
    }

    fn changed(&self) -> DiskError {
        DiskError::SourceChanged(self.name.clone().into())
    }

    /// The other end is told the name that it knows, and not where the file stands on this disk.
    fn known_by_name(&self, error: DiskError) -> DiskError {
        match error {
            DiskError::SourceGone(_, error) => DiskError::SourceGone(self.name.clone().into(), error),
            other => other,
        }
    }
}

impl Reading<'_> {
    /// Puts so many bytes from a position behind what the buffer has, which has room for them; fails when the file is
    /// shorter than it was.
    pub fn append(&self, position: u64, len: usize, buffer: &mut Vec<u8>) -> Result<(), DiskError> {
        let Some(file) = self.file() else {
            return Err(self.source.changed());
        };
        let begun = buffer.len();
        while buffer.len() - begun < len {
            let done = (buffer.len() - begun) as u64;
            match dir::append_at(file, position + done, buffer) {
                Ok(0) => return Err(self.source.changed()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(DiskError::SourceGone(self.source.name.clone().into(), error)),
            }
        }
        buffer.truncate(begun + len);
        Ok(())
    }

    /// Fails when size, time or file are not what they were when it was first looked at.
    pub fn unchanged(&self) -> Result<(), DiskError> {
        let now = self.file().and_then(|file| Facts::of(file).ok());
        match now {
            Some(facts) if stamp_of(&facts) == self.source.stamp => Ok(()),
            _ => Err(self.source.changed()),
        }
    }

    fn file(&self) -> Option<&File> {
        match (&self.opened, &self.source.origin) {
            (Some(opened), _) => Some(opened),
            (None, Origin::Held(held)) => Some(held),
            (None, _) => None,
        }
    }
}

fn open(path: &Path, links: Links) -> Result<File, DiskError> {
    dir::open(path, links).map_err(|error| DiskError::SourceGone(path.to_owned(), error))
}

fn facts(file: &File, path: &Path) -> Result<Facts, DiskError> {
    let gone = |error| DiskError::SourceGone(path.to_owned(), error);
    let facts = Facts::of(file).map_err(gone)?;
    if facts.kind == Kind::File {
        Ok(facts)
    } else {
        Err(gone(std::io::Error::other("it is not an ordinary file")))
    }
}

fn stamp_of(facts: &Facts) -> Stamp {
    Stamp {
        size: facts.size,
        modified: facts.modified,
        file: facts.id,
    }
}

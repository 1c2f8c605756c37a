//! A file that is being sent. It was hashed before; when it is not that file any more, sending stops.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use mesh_protocol::limits::FILE_CHUNK;

use super::DiskError;

/// By what a file is known not to have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: (i64, i64),
}

/// Opens a file once more, where keeping it open would take a descriptor for each of very many.
pub(super) type Again = Box<dyn Fn() -> std::io::Result<File> + Send + Sync>;

enum Handle {
    Open(File),
    Again(Again),
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open(_) => "Open",
            Self::Again(_) => "Again",
        })
    }
}

/// One file on its way out.
#[derive(Debug)]
pub struct SourceFile {
    handle: Handle,
    path: PathBuf,
    stamp: Stamp,
    modified_at: Option<u64>,
}

impl SourceFile {
    /// Opens an ordinary file.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let gone = |error| DiskError::SourceGone(path.to_owned(), error);
        // A named pipe would block for ever without this flag; for ordinary files it means nothing.
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
        let file =
            rustix::fs::open(path, flags, rustix::fs::Mode::empty()).map_err(|errno| gone(errno.into()))?;
        let file = File::from(file);
        Self::of(&file, path).map(|described| described(Handle::Open(file)))
    }

    /// An ordinary file that is opened for each read.
    pub(super) fn reopened(file: &File, path: &Path, again: Again) -> Result<Self, DiskError> {
        Self::of(file, path).map(|described| described(Handle::Again(again)))
    }

    fn of(file: &File, path: &Path) -> Result<impl FnOnce(Handle) -> Self + use<>, DiskError> {
        let gone = |error| DiskError::SourceGone(path.to_owned(), error);
        let metadata = file.metadata().map_err(gone)?;
        if !metadata.is_file() {
            return Err(gone(std::io::Error::other("it is not an ordinary file")));
        }
        let modified_at = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| u64::try_from(since.as_millis()).ok());
        let stamp = stamp_of(&metadata);
        let path = path.to_owned();
        Ok(move |handle| Self {
            handle,
            path,
            stamp,
            modified_at,
        })
    }

    fn with<T>(&self, act: impl FnOnce(&File) -> std::io::Result<T>) -> std::io::Result<T> {
        match &self.handle {
            Handle::Open(file) => act(file),
            Handle::Again(again) => act(&again()?),
        }
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.stamp.size
    }

    /// Unix milliseconds.
    pub fn modified_at(&self) -> Option<u64> {
        self.modified_at
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it once. `progress` gets the bytes read and may stop it by giving `false`.
    pub fn hash(&self, mut progress: impl FnMut(u64) -> bool) -> Result<Option<blake3::Hash>, DiskError> {
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; usize::try_from(FILE_CHUNK.min(self.size())).unwrap_or(0)];
        let mut offset = 0;
        while offset < self.size() {
            let len = usize::try_from((self.size() - offset).min(FILE_CHUNK)).unwrap_or(0);
            self.read(offset, &mut buffer[..len])?;
            hasher.update(&buffer[..len]);
            offset += len as u64;
            if !progress(offset) {
                return Ok(None);
            }
        }
        self.unchanged()?;
        Ok(Some(hasher.finalize()))
    }

    /// Fills the buffer from a position; fails when the file is shorter than it was.
    pub fn read(&self, position: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.with(|file| file.read_exact_at(buffer, position))
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => DiskError::SourceChanged(self.path.clone()),
                _ => DiskError::SourceGone(self.path.clone(), error),
            })
    }

    /// Fails when size or times are not what they were when it was opened.
    pub fn unchanged(&self) -> Result<(), DiskError> {
        let metadata = self
            .with(File::metadata)
            .map_err(|error| DiskError::SourceGone(self.path.clone(), error))?;
        if stamp_of(&metadata) == self.stamp {
            Ok(())
        } else {
            Err(DiskError::SourceChanged(self.path.clone()))
        }
    }
}

fn stamp_of(metadata: &std::fs::Metadata) -> Stamp {
    Stamp {
        size: metadata.len(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    }
}

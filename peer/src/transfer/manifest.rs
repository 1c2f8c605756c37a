//! What is sent: the sender's list as frames, and the receiver's judgement of it.

use bytes::Bytes;
use mesh_protocol::channel::{FileManifest, Frame, ManifestEntry};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::safe_path::{PathError, PathSet, SafePath};

use super::tree::FileHash;
use super::{Failure, chunk_count};

/// What the entries of one manifest frame take as JSON, beside the frame itself.
const FRAME_ENTRIES: usize = 60_000;
/// What all paths of a manifest may take: 100,000 of 160 bytes.
const PATH_BYTES: usize = 16 * 1024 * 1024;

/// A file that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Relative, with `/`; see `docs/protocol.md`, section 5.
    pub path: String,
    pub size: u64,
    pub hash: FileHash,
    /// Unix milliseconds.
    pub modified_at: Option<u64>,
    /// The POSIX permission bits.
    pub mode: Option<u32>,
}

/// A list that no receiver would take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("\"{0}\" is too large to be sent")]
    Size(String),
}

/// A file of an accepted manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub file: u32,
    pub path: SafePath,
    pub size: u64,
    pub hash: blake3::Hash,
    /// Unix milliseconds.
    pub modified_at: Option<u64>,
    /// Whether its owner may execute it: all that is taken from the permission bits of a stranger.
    pub executable: bool,
}

/// The owner's execute bit.
const OWNER_EXECUTES: u32 = 0o100;

/// The sender's list, turned into frames one by one.
#[derive(Debug)]
pub(super) struct Offer {
    sources: std::vec::IntoIter<Source>,
    next: u32,
    ended: bool,
}

impl Offer {
    pub(super) fn new(sources: Vec<Source>) -> Result<Self, SourceError> {
        let mut paths = PathSet::default();
        for source in &sources {
            paths.insert(&source.path)?;
            chunk_count(source.size).ok_or_else(|| SourceError::Size(source.path.clone()))?;
        }
        Ok(Self {
            sources: sources.into_iter(),
            next: 0,
            ended: false,
        })
    }

    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    pub(super) fn next_frame(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut files = Vec::new();
        let mut room = FRAME_ENTRIES;
        while let Some(source) = self.sources.as_slice().first() {
            // An allowed path has no controls; of what is left, only a quotation mark takes two bytes in JSON.
            let len = source.path.len() + source.path.matches('"').count() + 200;
            if len > room {
                break;
            }
            room -= len;
            let Some(Source {
                path,
                size,
                hash,
                modified_at,
                mode,
            }) = self.sources.next()
            else {
                break;
            };
            files.push(ManifestEntry {
                file: self.next,
                path,
                size,
                hash: hash.whole().to_hex().to_string(),
                modified_at,
                mode,
            });
            self.next += 1;
        }
        self.ended = self.sources.as_slice().is_empty();
        Some(
            Frame::FileManifest(FileManifest {
                files,
                last: self.ended,
                bundles: true,
            })
            .encode(),
        )
    }
}

/// The receiver's side: takes entries until the last and refuses what breaks a rule or goes beyond what was accepted.
#[derive(Debug)]
pub(super) struct Judge {
    paths: PathSet,
    path_bytes: usize,
    max_size: u64,
    max_count: u64,
    pub(super) total: u64,
}

impl Judge {
    pub(super) fn new(max_size: u64, max_count: u64) -> Self {
        Self {
            paths: PathSet::default(),
            path_bytes: 0,
            max_size,
            max_count,
            total: 0,
        }
    }

    /// After the last entry: what a hundred thousand names would collide with need not be kept.
    pub(super) fn forget_paths(&mut self) {
        self.paths = PathSet::default();
    }

    pub(super) fn admit(&mut self, expected: u32, entry: ManifestEntry) -> Result<Entry, Failure> {
        let fail = |code, detail: String| Failure {
            code,
            detail,
            file: Some(entry.file),
            by_peer: false,
        };
        if entry.file != expected {
            return Err(fail(
                ChannelCode::Protocol,
                "the manifest is not numbered in order".into(),
            ));
        }
        if u64::from(expected) >= self.max_count {
            return Err(fail(
                ChannelCode::TooLarge,
                format!("more than the {} files that were accepted", self.max_count),
            ));
        }
        self.path_bytes += entry.path.len();
        if self.path_bytes > PATH_BYTES {
            return Err(fail(
                ChannelCode::BadPath,
                "the names of this transfer are too long together".into(),
            ));
        }
        let path = self
            .paths
            .insert(&entry.path)
            .map_err(|error| fail(ChannelCode::BadPath, error.to_string()))?;
        let total = self
            .total
            .checked_add(entry.size)
            .filter(|total| *total <= self.max_size);
        if chunk_count(entry.size).is_none() || total.is_none() {
            return Err(fail(
                ChannelCode::TooLarge,
                format!("more than the {} bytes that were accepted", self.max_size),
            ));
        }
        self.total = total.unwrap_or_default();
        let hash = blake3::Hash::from_hex(&entry.hash)
            .map_err(|_| fail(ChannelCode::Protocol, "a hash of the manifest is not one".into()))?;
        if entry.size == 0 && hash != blake3::hash(b"") {
            return Err(fail(
                ChannelCode::HashMismatch,
                "an empty file with the hash of another".into(),
            ));
        }
        Ok(Entry {
            file: entry.file,
            path,
            size: entry.size,
            hash,
            modified_at: entry.modified_at,
            executable: entry.mode.is_some_and(|mode| mode & OWNER_EXECUTES != 0),
        })
    }
}

/// A sender that breaks the protocol.
pub(super) fn protocol(why: &str, file: Option<u32>) -> Failure {
    Failure {
        code: ChannelCode::Protocol,
        detail: why.to_owned(),
        file,
        by_peer: false,
    }
}

/// A sender that sends more than it said.
pub(super) fn too_large(why: &str, file: Option<u32>) -> Failure {
    Failure {
        code: ChannelCode::TooLarge,
        ..protocol(why, file)
    }
}

//! Frames of a file or folder session.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error_code::ChannelCode;

/// `20`: a part of what the sender has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FileManifest {
    pub files: Vec<ManifestEntry>,
    /// Nothing follows.
    pub last: bool,
    /// The sender takes [`FileBundle`]s; true in every part, or in none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub bundles: bool,
}

/// One file of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct ManifestEntry {
    /// Its number in this session, from 0, without gaps.
    pub file: u32,
    /// See [`crate::safe_path`].
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of the content, 64 hexadecimal digits.
    pub hash: String,
    /// Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<u64>,
    /// The POSIX permission bits, `0o777`. A receiver takes only the owner's execute bit from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// `21`: a part of what the receiver lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FileWant {
    pub ranges: Vec<ChunkRange>,
    /// Files that the receiver does not want at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub skip: Vec<FileRange>,
    /// Nothing follows.
    pub last: bool,
    /// The receiver takes [`FileBundle`]s; true in every part, or in none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<_>"))]
    pub bundles: bool,
}

/// Files `from ≤ i < to` of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FileRange {
    pub from: u32,
    pub to: u32,
}

/// Chunks `from ≤ i < to` of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct ChunkRange {
    pub file: u32,
    pub from: u32,
    pub to: u32,
}

/// `22`: announces the chunk whose bytes follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChunk {
    pub file: u32,
    pub chunk: u32,
    /// Bytes that follow.
    pub len: u32,
    /// BLAKE3 of these bytes.
    pub digest: [u8; 32],
}

/// `23`: bytes of the announced chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileData {
    pub file: u32,
    /// Position in the file.
    pub offset: u64,
    pub bytes: Bytes,
}

/// `24`: verified and written in this session so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileAck {
    pub bytes: u64,
}

/// `25`: the file stands under its final name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FileDone {
    pub file: u32,
    /// What the receiver computed, 64 hexadecimal digits.
    pub hash: String,
}

/// `26`: ends the transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FileError {
    pub file: Option<u32>,
    pub code: ChannelCode,
    /// For the person at the other end.
    pub detail: String,
}

/// `27`: no further chunk is sent while either end has paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FilePause {
    pub paused: bool,
}

/// `28`: frames of the types `22` to `25` that go in one message, for an end that said `bundles`; as if they came one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileBundle {
    /// 1 to [`crate::limits::MAX_BUNDLE_FRAMES`].
    pub frames: Vec<super::Frame>,
}

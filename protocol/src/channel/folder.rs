//! Frames of a session about a shared folder.
//!
//! The viewer's first frame after HELLO says what the session is for; where files move, those of [`super::file`] follow.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error_code::ChannelCode;

/// `30`, from the viewer: what this session is for. Paths are as in section 5; the shared folder itself is `""`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "act", rename_all = "lowercase")]
pub enum FolderOpen {
    /// To list, search, preview, and hear of changes.
    Browse,
    /// To receive files and whole folders; the owner is the sender.
    Pull { paths: Vec<String> },
    /// To put files into a folder; the viewer is the sender.
    Put { path: String, size: u64, count: u64 },
}

/// `31`, from the owner: it may begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FolderOpened {
    pub label: String,
    /// Whether others may put files into it.
    pub drop: bool,
    /// Of a pull: total bytes that will be offered.
    pub size: u64,
    /// Of a pull: how many files.
    pub count: u64,
}

/// `32`, from the viewer: what is in this folder?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FolderList {
    /// The viewer's number for this question.
    pub id: u32,
    pub path: String,
}

/// `33`, from the owner: a part of the answer to a list or a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FolderEntries {
    pub id: u32,
    pub entries: Vec<FolderEntry>,
    /// Nothing follows.
    pub last: bool,
    /// There is more than what is told.
    pub more: bool,
}

/// What stands in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct FolderEntry {
    /// Its path, relative to the folder that was asked about.
    pub path: String,
    pub folder: bool,
    /// Bytes; 0 for a folder.
    pub size: u64,
    /// Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<u64>,
}

/// `34`, from the viewer: what has this in its name, beneath this folder?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FolderSearch {
    pub id: u32,
    pub path: String,
    pub text: String,
}

/// `35`, from the viewer: what does this file look like?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FolderPreview {
    pub id: u32,
    pub path: String,
}

/// `36`, from the owner: FOLDER_DATA of so many bytes follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FolderPreviewed {
    pub id: u32,
    /// `text/plain`, `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    pub media_type: String,
    /// Bytes that follow.
    pub size: u32,
    /// The file is longer.
    pub more: bool,
}

/// `37`, from the owner: bytes of a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderData {
    pub id: u32,
    pub bytes: Bytes,
}

/// `38`, from the owner: this folder, which was listed last, is not any more as it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FolderChanged {
    pub path: String,
}

/// `39`, from the owner: a question that has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct FolderFailed {
    pub id: u32,
    pub code: ChannelCode,
    /// For the person at the other end.
    pub detail: String,
}

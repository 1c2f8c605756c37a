//! Moving files between two devices, as two engines without I/O: [`Sender`] and [`Receiver`].
//!
//! Owns the order of frames, the windows, verification and resume. Knows no clock, no disk and no runtime: what has to
//! be read, checked and written goes out as a task, which any thread may carry out, and comes back as a completion.
//! Enter by [`Sender::new`] and [`Receiver::new`]. The driver of either end does four things, in any order:
//! take tasks (`poll_read`, `poll_task`) and hand their results back; send what `poll_frame` gives while the path
//! takes it; `handle` the frames that come; and stop once `outcome` is there and `poll_frame` gives nothing.
//!
//! **Invariant**: bytes reach a write only inside a [`VerifiedChunk`], which only a matching digest makes
//! (`sim::corruption::t45_a_bit_flipped_in_1_000_chunks_is_found_before_each_write`).
//! **Invariant**: an end holds at most [`HELD_BYTES`] of content, if its driver heeds [`Receiver::ready`].

mod bundle;
mod chunk;
mod manifest;
mod order;
mod pause;
mod receiver;
mod resume;
mod sender;
mod task;
mod tree;

pub use chunk::{CorruptChunk, PreparedChunk, ReadChunk, VerifiedChunk, WriteChunk, WrittenChunk};
pub use manifest::{Entry, Source, SourceError};
pub use pause::Paused;
pub use receiver::Receiver;
pub use resume::{PartRecord, RECORD_BYTES};
pub use sender::Sender;
pub use task::{Accepted, Held, ReceiverTask};
pub use tree::{FileHash, Subtree};

use mesh_protocol::channel::{Bye, FileError, Frame};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::FILE_CHUNK;

use bytes::Bytes;

/// Content that one end holds in memory: read and not yet sent, or received and not yet written.
pub const HELD_BYTES: u64 = 4 * FILE_CHUNK;

/// Tasks of one kind that are under way at once.
const TASKS: usize = 64;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that stand verified at the receiver, those of an earlier session included.
    pub bytes_done: u64,
    /// Bytes of the files that the receiver wants.
    pub bytes_total: u64,
    pub files_done: u32,
    /// Files that the receiver wants.
    pub files_total: u32,
    pub paused: Paused,
}

/// Why a transfer ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Failure {
    pub code: ChannelCode,
    /// For a person.
    pub detail: String,
    /// The file it is about, if it is about one.
    pub file: Option<u32>,
    /// Whether the other end said so.
    pub by_peer: bool,
}

/// How a transfer ended. What has been written stays for a resume unless the driver throws it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every file that the receiver wants stands under its final name.
    Finished,
    Failed(Failure),
}

/// How many chunks a file of this size has; an empty one has none.
pub(crate) fn chunk_count(size: u64) -> Option<u32> {
    u32::try_from(size.div_ceil(FILE_CHUNK)).ok()
}

/// The bytes of one chunk of a file of this size.
pub(crate) fn chunk_len(size: u64, chunk: u32) -> u64 {
    size.saturating_sub(u64::from(chunk) * FILE_CHUNK).min(FILE_CHUNK)
}

/// The two frames that tell the other end of a failure.
fn farewell(failure: &Failure) -> [Bytes; 2] {
    let Failure {
        code, detail, file, ..
    } = failure;
    [
        Frame::FileError(FileError {
            file: *file,
            code: *code,
            detail: detail.clone(),
        })
        .encode(),
        Frame::Bye(Bye {
            code: *code,
            detail: detail.clone(),
        })
        .encode(),
    ]
}

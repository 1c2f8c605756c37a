//! What a receiver is told, and what it asks of its driver.

use super::chunk::WriteChunk;
use super::manifest::Entry;
use super::resume::PartRecord;

/// What the person, and the capability, allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Total bytes that the request named.
    pub size: u64,
    /// Files that the request named.
    pub count: u64,
    /// `max_size` of the capability.
    pub max_size: Option<u64>,
}

/// What a receiver has of a file already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    Nothing,
    /// Chunks of its part that were read back and [confirmed](PartRecord::confirms).
    Chunks(Vec<PartRecord>),
    /// The file stands, with this very hash.
    Whole,
    /// Nothing, and it is not to come either: the person left it out.
    Unwanted,
}

/// What the driver of a receiver does, on threads that may block. Tasks on different files may run side by side.
#[derive(Debug)]
pub enum ReceiverTask {
    /// Find out what is there of this file; then [`super::Receiver::inspected`].
    Inspect(Entry),
    /// Verify and write into its part, which the first write creates; then [`super::Receiver::chunk_written`],
    /// [`super::Receiver::chunk_corrupt`] or [`super::Receiver::task_failed`].
    Write(WriteChunk),
    /// Everything is written and the hash is right: synchronise, rename without replacing (an empty file is created
    /// here); then [`super::Receiver::committed`].
    Commit(Entry),
    /// What was resumed proved wrong: remove the part and its side file; then [`super::Receiver::discarded`].
    Discard(Entry),
}

//! What a receiver notes beside `<name>.part`, so that a later session takes up where this one was cut.
//!
//! The driver writes [`PartRecord::header`] when it creates the part and appends [`PartRecord::note`] after each chunk.
//! When it meets the part again, [`PartRecord::parse`] says which chunks should be there; the driver reads each, keeps
//! it if [`PartRecord::confirms`], and reports the rest as missing. A torn last note is ignored; the driver cuts it off
//! ([`PartRecord::torn`]), or the notes that follow it could not be read.

use super::chunk::WrittenChunk;
use super::manifest::Entry;
use super::tree::Subtree;
use super::{chunk_count, chunk_len};

/// The bytes of one note.
pub const RECORD_BYTES: usize = 36;
const HEADER_BYTES: usize = 48;
const MAGIC: &[u8; 8] = b"meshprt1";

/// One chunk of a part, as it was when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRecord {
    pub chunk: u32,
    pub subtree: Subtree,
}

impl PartRecord {
    /// The beginning of the side file: which content the part is of.
    pub fn header(entry: &Entry) -> Vec<u8> {
        [&MAGIC[..], &entry.size.to_be_bytes(), entry.hash.as_bytes()].concat()
    }

    /// What to append once `written` is in the part.
    pub fn note(written: &WrittenChunk) -> [u8; RECORD_BYTES] {
        let mut note = [0; RECORD_BYTES];
        note[..4].copy_from_slice(&written.chunk.to_be_bytes());
        note[4..].copy_from_slice(written.subtree.as_bytes());
        note
    }

    /// Reads a side file. `None` when it is of other content: the part is then of no use. Of two notes on one chunk
    /// the later counts.
    pub fn parse(side_file: &[u8], entry: &Entry) -> Option<Vec<Self>> {
        let (header, notes) = side_file.split_at_checked(HEADER_BYTES)?;
        if header != Self::header(entry) {
            return None;
        }
        let chunks = chunk_count(entry.size)?;
        let mut found = std::collections::BTreeMap::new();
        for note in notes.chunks_exact(RECORD_BYTES) {
            let (chunk, subtree) = note.split_first_chunk::<4>()?;
            let chunk = u32::from_be_bytes(*chunk);
            if chunk < chunks {
                found.insert(chunk, Subtree::from_bytes(subtree.try_into().ok()?));
            }
        }
        Some(
            found
                .into_iter()
                .map(|(chunk, subtree)| Self { chunk, subtree })
                .collect(),
        )
    }

    /// The bytes at the end of a side file that are a part of a note.
    pub const fn torn(side_file: &[u8]) -> usize {
        side_file.len().saturating_sub(HEADER_BYTES) % RECORD_BYTES
    }

    /// Position and length of this chunk in a file of `size` bytes.
    pub fn range(&self, size: u64) -> (u64, u64) {
        (
            u64::from(self.chunk) * mesh_protocol::limits::FILE_CHUNK,
            chunk_len(size, self.chunk),
        )
    }

    /// Whether `bytes`, read back from the part, are still what was written.
    pub fn confirms(&self, bytes: &[u8]) -> bool {
        Subtree::of(self.chunk, [bytes]) == self.subtree
    }
}

//! One viewer's way through history and screen, part by part. Holds the rest of one block and a shared dump, no more.

use bytes::Bytes;
use mesh_protocol::channel::{Frame, TermSize, TermSnapshot};
use mesh_protocol::limits::MAX_CHANNEL_DATA;

use super::history::History;

/// A snapshot that is being sent. Blocks of history that fall away meanwhile are left out.
#[derive(Debug)]
pub(super) struct Snapshot {
    size: TermSize,
    seq: u64,
    next_block: u64,
    end_block: u64,
    current: Bytes,
    /// Taken when the blocks are through.
    dump: Option<Bytes>,
    begun: bool,
}

impl Snapshot {
    /// `blocks` are the numbers of the blocks to send before `dump`.
    pub(super) const fn new(size: TermSize, seq: u64, blocks: std::ops::Range<u64>, dump: Bytes) -> Self {
        let (next_block, end_block) = (blocks.start, blocks.end);
        Self {
            size,
            seq,
            next_block,
            end_block,
            current: Bytes::new(),
            dump: Some(dump),
            begun: false,
        }
    }

    /// The next part, and whether it is the last.
    pub(super) fn next_frame(&mut self, history: &History) -> (Bytes, bool) {
        if self.current.is_empty() {
            match history
                .block(self.next_block)
                .filter(|(number, _)| *number < self.end_block)
            {
                Some((number, bytes)) => (self.next_block, self.current) = (number + 1, bytes),
                None => self.current = self.dump.take().unwrap_or_default(),
            }
        }
        let bytes = self.current.split_to(self.current.len().min(MAX_CHANNEL_DATA));
        let last = self.dump.is_none() && self.current.is_empty();
        let first = !std::mem::replace(&mut self.begun, true);
        (
            Frame::TermSnapshot(TermSnapshot {
                first,
                last,
                size: self.size,
                seq: self.seq,
                bytes,
            })
            .encode(),
            last,
        )
    }
}

//! The most recent output, once for all viewers, who hold only positions in it.

use std::collections::VecDeque;

use mesh_protocol::limits::TERMINAL_WINDOW;

/// What is kept. A viewer that is further behind gets a snapshot.
const CAPACITY: usize = TERMINAL_WINDOW as usize;

/// Overflow drops the oldest bytes.
#[derive(Debug, Default)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    /// The position of the first byte that is kept.
    start: u64,
}

impl Ring {
    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// The position after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let skipped = bytes.len().saturating_sub(CAPACITY);
        let bytes = &bytes[skipped..];
        let excess = (self.bytes.len() + bytes.len()).saturating_sub(CAPACITY);
        let dropped = if skipped > 0 { self.bytes.len() } else { excess };
        self.bytes.drain(..dropped);
        self.start += (dropped + skipped) as u64;
        self.bytes.extend(bytes);
    }

    /// Up to `len` bytes from a position that is kept.
    pub(super) fn read(&self, from: u64, len: usize) -> Vec<u8> {
        let at = usize::try_from(from.saturating_sub(self.start))
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        let end = (at + len).min(self.bytes.len());
        let (first, second) = self.bytes.as_slices();
        let middle = first.len();
        let mut out = Vec::with_capacity(end - at);
        out.extend_from_slice(&first[at.min(middle)..end.min(middle)]);
        out.extend_from_slice(&second[at.max(middle) - middle..end.max(middle) - middle]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_bytes_at_their_positions() {
        let mut ring = Ring::default();
        let all: Vec<u8> = (0..3 * CAPACITY).map(|i| (i % 251) as u8).collect();
        for piece in all.chunks(70_001) {
            ring.push(piece);
            assert!(ring.bytes.len() <= CAPACITY);
        }
        assert_eq!(
            (ring.start(), ring.end()),
            (2 * CAPACITY as u64, all.len() as u64)
        );
        let from = ring.start() + 12_345;
        assert_eq!(ring.read(from, 100_000), all[from as usize..][..100_000]);
        ring.push(&all);
        assert_eq!(ring.end(), 2 * all.len() as u64);
        assert_eq!(ring.read(ring.start(), usize::MAX / 2), all[2 * CAPACITY..]);
    }
}

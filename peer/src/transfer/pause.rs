//! Whether a transfer stands still: what this end wants, what the other end said, and what it has been told.

use bytes::Bytes;
use mesh_protocol::channel::{FilePause, Frame};

/// Who has paused a transfer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    pub here: bool,
    pub there: bool,
}

impl Paused {
    /// Whether anybody has.
    pub const fn holds(self) -> bool {
        self.here || self.there
    }
}

/// The pause of one end.
#[derive(Debug, Default)]
pub(super) struct Pause {
    now: Paused,
    told: bool,
}

impl Pause {
    pub(super) const fn now(&self) -> Paused {
        self.now
    }

    pub(super) const fn set(&mut self, paused: bool) {
        self.now.here = paused;
    }

    pub(super) const fn heard(&mut self, said: FilePause) {
        self.now.there = said.paused;
    }

    /// Whether the other end does not know yet.
    pub(super) const fn frame_due(&self) -> bool {
        self.now.here != self.told
    }

    /// What tells it.
    pub(super) fn next_frame(&mut self) -> Option<Bytes> {
        self.frame_due().then(|| {
            self.told = self.now.here;
            Frame::FilePause(FilePause { paused: self.told }).encode()
        })
    }
}

//! Frames that go together: a message costs both ends more than a small file.

use bytes::Bytes;
use mesh_protocol::channel::bundle;
use mesh_protocol::limits::{MAX_BUNDLE_FRAMES, MAX_CHANNEL_FRAME};

/// What a frame takes in a bundle beside itself.
const LENGTH: usize = 4;

/// The next message, as it fills.
#[derive(Debug)]
pub(super) struct Bundle {
    frames: Vec<Bytes>,
    bytes: usize,
    most: usize,
}

impl Bundle {
    /// For an end that takes bundles; another gets one frame in a message.
    pub(super) const fn new(taken: bool) -> Self {
        Self {
            frames: Vec::new(),
            bytes: 1,
            most: if taken { MAX_BUNDLE_FRAMES } else { 1 },
        }
    }

    /// Whether a frame of this many bytes may be added.
    pub(super) fn takes(&self, len: usize) -> bool {
        self.frames.is_empty()
            || (self.frames.len() < self.most && self.bytes + LENGTH + len <= MAX_CHANNEL_FRAME)
    }

    pub(super) fn add(&mut self, frame: Bytes) {
        self.bytes += LENGTH + frame.len();
        self.frames.push(frame);
    }

    /// The message: nothing, a frame, or a bundle.
    pub(super) fn message(mut self) -> Option<Bytes> {
        if self.frames.len() < 2 {
            return self.frames.pop();
        }
        Some(bundle(&self.frames))
    }
}

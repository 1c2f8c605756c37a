//! In which order a receiver looks at its files and asks for them: the small ones first.
//!
//! Knows sizes and what is being looked at, and nothing of chunks that came.

use std::collections::VecDeque;

use mesh_protocol::channel::ChunkRange;

use super::chunk_count;
use super::manifest::Entry;

/// A huge file holds back no small one that stands behind it in the list. Files of one chunk, and those of as many chunks,
/// stay in the order of the list, so that what is synchronised together stands in few folders.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Every file, once: 4 bytes each.
    files: Vec<u32>,
    next: usize,
    /// Files that are being inspected: at most [`super::TASKS`].
    inspecting: Vec<u32>,
    /// What is lacked and not asked for, in this order. Bounded by the chunks of what was accepted.
    wants: VecDeque<ChunkRange>,
}

impl Order {
    /// The list is whole.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let mut files: Vec<u32> = entries.iter().map(|entry| entry.file).collect();
        // In place: what is compared last keeps it stable.
        files.sort_unstable_by_key(|file| rank(entries, *file));
        Self {
            files,
            ..Self::default()
        }
    }

    /// The next file to inspect; [`Self::inspected`] has to follow.
    pub(super) fn next_inspection(&mut self) -> Option<u32> {
        let file = *self.files.get(self.next)?;
        self.next += 1;
        self.inspecting.push(file);
        Some(file)
    }

    pub(super) fn inspected(&mut self, file: u32) {
        self.inspecting.retain(|other| *other != file);
        if self.all_inspected() {
            self.files = Vec::new();
            self.next = 0;
        }
    }

    pub(super) fn inspecting(&self) -> usize {
        self.inspecting.len()
    }

    pub(super) fn all_inspected(&self) -> bool {
        self.inspecting.is_empty() && self.next == self.files.len()
    }

    pub(super) fn want(&mut self, entries: &[Entry], range: ChunkRange) {
        let place = (rank(entries, range.file), range.from);
        let at = self
            .wants
            .partition_point(|other| (rank(entries, other.file), other.from) < place);
        // Mostly at the end, or near it: inspections come back about in this order.
        self.wants.insert(at, range);
    }

    pub(super) fn wants(&self) -> usize {
        self.wants.len()
    }

    /// How many of them may be asked for now: none that is behind a file which is still being inspected.
    pub(super) fn askable(&self, entries: &[Entry]) -> usize {
        let first = self.inspecting.iter().map(|file| rank(entries, *file)).min();
        first.map_or(self.wants.len(), |first| {
            self.wants
                .partition_point(|range| rank(entries, range.file) < first)
        })
    }

    /// Takes the first of them.
    pub(super) fn ask(&mut self, count: usize) -> Vec<ChunkRange> {
        self.wants.drain(..count.min(self.wants.len())).collect()
    }
}

fn rank(entries: &[Entry], file: u32) -> (u32, u32) {
    let size = entries.get(file as usize).map_or(0, |entry| entry.size);
    (chunk_count(size).unwrap_or(u32::MAX).max(1), file)
}

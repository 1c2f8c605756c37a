//! The end that gets the files.

use std::collections::VecDeque;

use bytes::Bytes;
use mesh_protocol::channel::{
    ChunkRange, FileAck, FileChunk, FileData, FileDone, FileManifest, FileRange, FileWant, Frame,
};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::{FILE_CHUNK, FILE_WINDOW, FILE_WINDOW_CHUNKS, MAX_MANIFEST_ENTRIES};

use super::bundle::Bundle;
use super::chunk::{Assembly, CorruptChunk, WrittenChunk};
use super::manifest::{Entry, Judge, protocol, too_large};
use super::order::Order;
use super::pause::Pause;
use super::task::{Accepted, Held, ReceiverTask};
use super::tree::Subtree;
use super::{Failure, HELD_BYTES, Outcome, Progress, TASKS, chunk_count, chunk_len, farewell};

/// Written bytes after which an acknowledgement is due although more is being written.
const ACK_EVERY: u64 = FILE_CHUNK;
/// Ranges of one FILE_WANT: at most 55 bytes each as JSON.
const WANT_RANGES: usize = 1_000;
/// Ranges that go out while other files are still being inspected.
const EARLY_RANGES: usize = 256;
/// Ranges of files that one FILE_WANT leaves out: at most 37 bytes each as JSON.
const WANT_SKIPS: usize = 200;
/// The bytes of a FILE_DONE, at most.
const DONE_BYTES: usize = 100;
/// Chunks that came and are not written, and files that are written and do not stand: so many at once, and one bundle more,
/// since a driver may keep each small file open until it stands.
const UNFINISHED: usize = 256;
/// Written chunks after which an acknowledgement is due, so that a sender of small files need not wait.
const ACK_EVERY_CHUNKS: usize = FILE_WINDOW_CHUNKS / 8;

/// Receives files; see the module for how to drive it.
#[derive(Debug)]
pub struct Receiver {
    judge: Judge,
    listed: bool,
    /// Whether the sender takes them.
    bundles: bool,
    entries: Vec<Entry>,
    files: Vec<Received>,
    /// What is still to be inspected and to be asked for.
    order: Order,
    /// Left out, not yet said. Bounded by the files of what was accepted.
    skips: VecDeque<FileRange>,
    last_want_due: bool,
    /// What the sender was asked for and still has to send, in this order. Bounded by the chunks of what was accepted.
    expected: VecDeque<ChunkRange>,
    current: Option<Assembly>,
    /// At most [`UNFINISHED`] and what one message brings.
    tasks: VecDeque<ReceiverTask>,
    writing_bytes: u64,
    writing: usize,
    committing: usize,
    /// Files that stand and have not been reported: at most all.
    done: VecDeque<u32>,
    last_frames: VecDeque<Bytes>,
    missing_bytes: u64,
    received_bytes: u64,
    written_bytes: u64,
    /// Chunks since the last acknowledgement.
    unacked_chunks: usize,
    acked_bytes: u64,
    files_done: u32,
    files_skipped: u32,
    skipped_bytes: u64,
    pause: Pause,
    outcome: Option<Outcome>,
}

#[derive(Debug, Default)]
struct Received {
    missing_chunks: u32,
    /// By chunk; allocated when the file is begun and freed when its hash is known.
    subtrees: Vec<Option<Subtree>>,
    resumed: bool,
    inspected: bool,
}

impl Receiver {
    /// Waits for a manifest within these bounds.
    pub fn new(accepted: Accepted) -> Self {
        let max_size = accepted
            .max_size
            .map_or(accepted.size, |max| max.min(accepted.size));
        // At once, since growing would need it twice over.
        let count = usize::try_from(accepted.count)
            .map_or(MAX_MANIFEST_ENTRIES, |count| count.min(MAX_MANIFEST_ENTRIES));
        Self {
            judge: Judge::new(max_size, accepted.count),
            listed: false,
            bundles: false,
            entries: Vec::with_capacity(count),
            files: Vec::with_capacity(count),
            order: Order::default(),
            skips: VecDeque::new(),
            last_want_due: false,
            expected: VecDeque::new(),
            current: None,
            tasks: VecDeque::new(),
            writing_bytes: 0,
            writing: 0,
            committing: 0,
            done: VecDeque::new(),
            last_frames: VecDeque::new(),
            missing_bytes: 0,
            received_bytes: 0,
            written_bytes: 0,
            unacked_chunks: 0,
            acked_bytes: 0,
            files_done: 0,
            files_skipped: 0,
            skipped_bytes: 0,
            pause: Pause::default(),
            outcome: None,
        }
    }

    /// Whether to take another frame from the path now. While it is false, let the path hold the sender back.
    pub fn ready(&self) -> bool {
        self.writing_bytes < HELD_BYTES && self.writing + self.committing < UNFINISHED
    }

    /// The next thing to do. Several may be under way at once; they may come back in any order.
    pub fn poll_task(&mut self) -> Option<ReceiverTask> {
        if self.outcome.is_some() {
            return None;
        }
        if let Some(task) = self.tasks.pop_front() {
            return Some(task);
        }
        if !self.listed || self.order.inspecting() >= TASKS {
            return None;
        }
        let file = self.order.next_inspection()?;
        self.entries
            .get(file as usize)
            .cloned()
            .map(ReceiverTask::Inspect)
    }

    /// An inspection is over.
    pub fn inspected(&mut self, file: u32, held: Held) {
        let Some((entry, state)) = self.file(file) else {
            return;
        };
        if std::mem::replace(&mut state.inspected, true) {
            return;
        }
        let chunks = chunk_count(entry.size).unwrap_or_default();
        // The part of an only chunk proves nothing: its subtree is not the file's hash. It is asked for again.
        if let Held::Chunks(records) = &held
            && chunks > 1
        {
            state.subtrees = vec![None; chunks as usize];
            for record in records {
                if let Some(slot) = state.subtrees.get_mut(record.chunk as usize) {
                    *slot = Some(record.subtree);
                    state.resumed = true;
                }
            }
        }
        let missing = if state.resumed {
            gaps(&state.subtrees)
        } else {
            vec![(0, chunks)]
        };
        self.order.inspected(file);
        if held == Held::Whole {
            self.file_done(file);
        } else if held == Held::Unwanted {
            self.skip(file);
        } else {
            for (from, to) in missing.into_iter().filter(|(from, to)| from < to) {
                self.ask(ChunkRange { file, from, to });
            }
            if self
                .files
                .get(file as usize)
                .is_some_and(|state| state.missing_chunks == 0)
            {
                self.all_written(file);
            }
        }
        if self.order.all_inspected() {
            self.last_want_due = true;
        }
    }

    /// A chunk is in the part.
    pub fn chunk_written(&mut self, written: WrittenChunk) {
        let Some((entry, state)) = self.file(written.file) else {
            return;
        };
        if state.subtrees.is_empty() {
            state.subtrees = vec![None; chunk_count(entry.size).unwrap_or_default() as usize];
        }
        let Some(slot) = state.subtrees.get_mut(written.chunk as usize) else {
            return;
        };
        *slot = Some(written.subtree);
        state.missing_chunks = state.missing_chunks.saturating_sub(1);
        let complete = state.missing_chunks == 0;
        self.writing = self.writing.saturating_sub(1);
        self.writing_bytes = self.writing_bytes.saturating_sub(written.len);
        self.unacked_chunks += 1;
        self.missing_bytes = self.missing_bytes.saturating_sub(written.len);
        self.written_bytes += written.len;
        if complete {
            self.all_written(written.file);
        }
    }

    /// A chunk is not what its digest says; it was not written.
    pub fn chunk_corrupt(&mut self, corrupt: CorruptChunk) {
        self.fail(ChannelCode::HashMismatch, corrupt.to_string(), Some(corrupt.file));
    }

    /// A task could not be done: `DiskFull`, `BadPath` or `Io`.
    pub fn task_failed(&mut self, file: u32, code: ChannelCode, detail: impl Into<String>) {
        self.fail(code, detail.into(), Some(file));
    }

    /// The file stands under its final name.
    pub fn committed(&mut self, file: u32) {
        self.committing = self.committing.saturating_sub(1);
        self.file_done(file);
    }

    /// The part is gone; the file starts again.
    pub fn discarded(&mut self, file: u32) {
        if let Some((entry, state)) = self.file(file) {
            let to = chunk_count(entry.size).unwrap_or_default();
            *state = Received {
                inspected: true,
                ..Received::default()
            };
            self.ask(ChunkRange { file, from: 0, to });
            // While others are still inspected, it goes with what these lack.
            self.last_want_due |= self.order.all_inspected();
        }
    }

    /// Gives up, telling the other end why.
    pub fn cancel(&mut self, code: ChannelCode, detail: impl Into<String>) {
        self.fail(code, detail.into(), None);
    }

    /// Asks the sender to stop sending chunks, or to go on.
    pub const fn pause(&mut self, paused: bool) {
        self.pause.set(paused);
    }

    /// Whether [`Self::poll_frame`] has something now.
    pub fn has_frame(&self) -> bool {
        if self.outcome.is_some() {
            return !self.last_frames.is_empty();
        }
        self.pause.frame_due() || self.ack_due() || self.want_due() || !self.done.is_empty()
    }

    /// The next message; ask only when the path takes it.
    pub fn poll_frame(&mut self) -> Option<Bytes> {
        if self.outcome.is_some() {
            return self.last_frames.pop_front();
        }
        if let Some(frame) = self.pause.next_frame() {
            return Some(frame);
        }
        if self.ack_due() {
            self.acked_bytes = self.written_bytes;
            self.unacked_chunks = 0;
            return Some(
                Frame::FileAck(FileAck {
                    bytes: self.acked_bytes,
                })
                .encode(),
            );
        }
        if self.want_due() {
            let ranges = self.order.ask(self.order.askable(&self.entries).min(WANT_RANGES));
            self.expected.extend(&ranges);
            let skip: Vec<FileRange> = self.skips.drain(..self.skips.len().min(WANT_SKIPS)).collect();
            let last = self.last_want_due && self.order.wants() == 0 && self.skips.is_empty();
            self.last_want_due &= !last;
            let want = FileWant {
                ranges,
                skip,
                last,
                bundles: true,
            };
            return Some(Frame::FileWant(want).encode());
        }
        let mut bundle = Bundle::new(self.bundles);
        while bundle.takes(DONE_BYTES)
            && let Some(file) = self.done.pop_front()
            && let Some(entry) = self.entries.get(file as usize)
        {
            let hash = entry.hash.to_hex().to_string();
            bundle.add(Frame::FileDone(FileDone { file, hash }).encode());
        }
        bundle.message()
    }

    /// Takes a frame of the other end; HELLO and RENEW are the session's.
    pub fn handle(&mut self, frame: Frame) {
        if self.outcome.is_some() {
            return;
        }
        let result = match frame {
            Frame::FileManifest(manifest) => self.manifest(manifest),
            Frame::FileChunk(chunk) => self.chunk(&chunk),
            Frame::FileData(data) => self.data(data),
            Frame::FilePause(said) => return self.pause.heard(said),
            Frame::FileBundle(bundle) => {
                return bundle.frames.into_iter().for_each(|frame| self.handle(frame));
            }
            Frame::Bye(bye) if bye.code == ChannelCode::Done && self.is_complete() => {
                self.outcome = Some(Outcome::Finished);
                return;
            }
            Frame::Bye(bye) if bye.code == ChannelCode::Done => {
                Err(protocol("ended before everything was there", None))
            }
            Frame::Bye(bye) => return self.ended_by_peer(bye.code, bye.detail, None),
            Frame::FileError(error) => return self.ended_by_peer(error.code, error.detail, error.file),
            other => Err(protocol(
                &format!("a sender does not send {:?}", other.frame_type()),
                None,
            )),
        };
        if let Err(Failure {
            code, detail, file, ..
        }) = result
        {
            self.fail(code, detail, file);
        }
    }

    /// Set once it is over. Send what [`Self::poll_frame`] still has, then close.
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Bytes that are wanted and not written yet, once it is known of every file what is there of it.
    pub fn missing(&self) -> Option<u64> {
        (self.listed && self.order.all_inspected()).then_some(self.missing_bytes)
    }

    /// Whether every file that is wanted stands, though the sender may not have said BYE; then a lost link is no failure.
    pub fn is_complete(&self) -> bool {
        self.listed && (self.files_done + self.files_skipped) as usize == self.entries.len()
    }

    /// The manifest so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let inspected = self.listed && self.order.all_inspected();
        let wanted = self.judge.total.saturating_sub(self.skipped_bytes);
        let done = if inspected {
            wanted.saturating_sub(self.missing_bytes)
        } else {
            self.written_bytes
        };
        Progress {
            bytes_done: done,
            bytes_total: wanted,
            files_done: self.files_done,
            files_total: self.entries.len() as u32 - self.files_skipped,
            paused: self.pause.now(),
        }
    }

    fn manifest(&mut self, manifest: FileManifest) -> Result<(), Failure> {
        if self.listed {
            return Err(protocol("a second manifest", None));
        }
        self.bundles = manifest.bundles;
        for entry in manifest.files {
            let entry = self.judge.admit(self.entries.len() as u32, entry)?;
            self.entries.push(entry);
            self.files.push(Received::default());
        }
        if manifest.last {
            self.listed = true;
            self.judge.forget_paths();
            self.order = Order::of(&self.entries);
            self.last_want_due = self.entries.is_empty();
        }
        Ok(())
    }

    fn chunk(&mut self, announced: &FileChunk) -> Result<(), Failure> {
        let file = Some(announced.file);
        if self.current.is_some() {
            return Err(protocol("a chunk before the end of the one before", file));
        }
        let due = self
            .expected
            .front_mut()
            .ok_or_else(|| protocol("a chunk that nobody asked for", file))?;
        if (due.file, due.from) != (announced.file, announced.chunk) {
            return Err(protocol("a chunk out of order", file));
        }
        due.from += 1;
        if due.from == due.to {
            self.expected.pop_front();
        }
        let entry = self
            .entries
            .get(announced.file as usize)
            .ok_or_else(|| protocol("no such file", file))?;
        let len = chunk_len(entry.size, announced.chunk);
        if u64::from(announced.len) != len {
            return Err(too_large("a chunk of another length than declared", file));
        }
        let only = entry.size == len;
        if only && entry.hash != announced.digest {
            return Err(Failure {
                code: ChannelCode::HashMismatch,
                ..protocol("the file is not the one of the manifest", file)
            });
        }
        if self.received_bytes + len - self.acked_bytes > FILE_WINDOW {
            return Err(protocol("more on its way than the window allows", file));
        }
        self.received_bytes += len;
        self.writing += 1;
        self.writing_bytes += len;
        let offset = u64::from(announced.chunk) * FILE_CHUNK;
        self.current = Some(Assembly::new(announced, offset, only));
        Ok(())
    }

    fn data(&mut self, data: FileData) -> Result<(), Failure> {
        let file = Some(data.file);
        let current = self
            .current
            .as_mut()
            .ok_or_else(|| too_large("bytes beyond the chunk that was announced", file))?;
        if current.file != data.file || current.position() != data.offset || data.bytes.is_empty() {
            return Err(protocol("bytes out of order", file));
        }
        if data.bytes.len() as u64 > current.missing() {
            return Err(too_large("bytes beyond the chunk that was announced", file));
        }
        current.push(data.bytes);
        if current.missing() == 0 {
            self.tasks.extend(
                self.current
                    .take()
                    .map(|whole| ReceiverTask::Write(whole.complete())),
            );
        }
        Ok(())
    }

    fn ask(&mut self, range: ChunkRange) {
        let Some((entry, state)) = self.file(range.file) else {
            return;
        };
        state.missing_chunks += range.to - range.from;
        let end = u64::from(range.to) * FILE_CHUNK;
        let bytes = end.min(entry.size) - u64::from(range.from) * FILE_CHUNK;
        self.missing_bytes += bytes;
        self.order.want(&self.entries, range);
    }

    fn all_written(&mut self, file: u32) {
        let Some((entry, state)) = self.file(file) else {
            return;
        };
        let subtrees: Vec<Subtree> = std::mem::take(&mut state.subtrees)
            .into_iter()
            .flatten()
            .collect();
        // The digest of an only chunk and the hash of an empty file were compared when they were announced.
        let right = subtrees.len() < 2 || Subtree::root(&subtrees) == entry.hash;
        let entry = entry.clone();
        if right {
            self.committing += 1;
            self.tasks.push_back(ReceiverTask::Commit(entry));
        } else if state.resumed {
            self.tasks.push_back(ReceiverTask::Discard(entry));
        } else {
            self.fail(
                ChannelCode::HashMismatch,
                "the content is not the one of the manifest".into(),
                Some(file),
            );
        }
    }

    fn skip(&mut self, file: u32) {
        let size = self.entries.get(file as usize).map_or(0, |entry| entry.size);
        self.skipped_bytes += size;
        self.files_skipped += 1;
        match self.skips.back_mut() {
            Some(range) if range.to == file => range.to += 1,
            _ => self.skips.push_back(FileRange {
                from: file,
                to: file + 1,
            }),
        }
    }

    fn file_done(&mut self, file: u32) {
        self.files_done += 1;
        self.done.push_back(file);
    }

    fn file(&mut self, file: u32) -> Option<(&Entry, &mut Received)> {
        if self.outcome.is_some() {
            return None;
        }
        Some((
            self.entries.get(file as usize)?,
            self.files.get_mut(file as usize)?,
        ))
    }

    fn ack_due(&self) -> bool {
        let fresh = self.written_bytes - self.acked_bytes;
        fresh >= ACK_EVERY
            || self.unacked_chunks >= ACK_EVERY_CHUNKS
            || (fresh > 0 && self.writing_bytes == 0)
    }

    fn want_due(&self) -> bool {
        self.last_want_due
            || self.skips.len() >= EARLY_RANGES
            || (self.order.wants() >= EARLY_RANGES && self.order.askable(&self.entries) >= EARLY_RANGES)
    }

    fn fail(&mut self, code: ChannelCode, detail: String, file: Option<u32>) {
        if self.outcome.is_none() {
            let failure = Failure {
                code,
                detail,
                file,
                by_peer: false,
            };
            self.last_frames.extend(farewell(&failure));
            self.end(Outcome::Failed(failure));
        }
    }

    fn ended_by_peer(&mut self, code: ChannelCode, detail: String, file: Option<u32>) {
        self.end(Outcome::Failed(Failure {
            code,
            detail,
            file,
            by_peer: true,
        }));
    }

    fn end(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        self.tasks.clear();
        self.current = None;
    }
}

/// The runs of chunks that are not there.
fn gaps(subtrees: &[Option<Subtree>]) -> Vec<(u32, u32)> {
    let mut gaps: Vec<(u32, u32)> = Vec::new();
    for (chunk, _) in (0..).zip(subtrees).filter(|(_, held)| held.is_none()) {
        match gaps.last_mut() {
            Some((_, to)) if *to == chunk => *to += 1,
            _ => gaps.push((chunk, chunk + 1)),
        }
    }
    gaps
}

//! The end that has the files.

use std::collections::VecDeque;

use bytes::Bytes;
use mesh_protocol::channel::{Bye, ChunkRange, FileDone, FileRange, FileWant, Frame};
use mesh_protocol::error_code::ChannelCode;
use mesh_protocol::limits::{FILE_CHUNK, FILE_WINDOW, FILE_WINDOW_CHUNKS};

use super::bundle::Bundle;
use super::chunk::{PreparedChunk, ReadChunk};
use super::manifest::{Offer, Source, SourceError};
use super::pause::Pause;
use super::tree::FileHash;
use super::{Failure, HELD_BYTES, Outcome, Progress, TASKS, chunk_count, chunk_len, farewell};

/// Sends files; see the module for how to drive it.
#[derive(Debug)]
pub struct Sender {
    files: Vec<Sent>,
    bytes_total: u64,
    offer: Offer,
    /// What the receiver asked for and has not been read yet, in its order. Bounded: no chunk can be asked for more
    /// than twice.
    wants: VecDeque<ChunkRange>,
    all_wanted: bool,
    /// Whether the receiver takes them.
    bundles: bool,
    /// Chunks being read or sent, in order; at most [`TASKS`] and [`HELD_BYTES`].
    slots: VecDeque<Slot>,
    held: u64,
    /// BYE or FILE_ERROR and BYE; sent after all else.
    last_frames: VecDeque<Bytes>,
    wanted_bytes: u64,
    issued_bytes: u64,
    sent_bytes: u64,
    acked_bytes: u64,
    /// Where each chunk ends that was issued and is not acknowledged, counted as `issued_bytes`; at most
    /// [`FILE_WINDOW_CHUNKS`].
    unacked_ends: VecDeque<u64>,
    files_done: u32,
    files_skipped: u32,
    pause: Pause,
    outcome: Option<Outcome>,
}

/// Why the other end broke the protocol, and with which file.
type Fault = (ChannelCode, String, Option<u32>);

#[derive(Debug)]
struct Sent {
    size: u64,
    hash: FileHash,
    wanted_chunks: u64,
    done: bool,
    skipped: bool,
}

#[derive(Debug)]
struct Slot {
    file: u32,
    chunk: u32,
    len: u64,
    prepared: Option<PreparedChunk>,
}

impl Sender {
    /// Offers these files; their number in the session is their place in the list.
    pub fn new(sources: Vec<Source>) -> Result<Self, SourceError> {
        let sent = |source: &Source| Sent {
            size: source.size,
            hash: source.hash.clone(),
            wanted_chunks: 0,
            done: false,
            skipped: false,
        };
        Ok(Self {
            files: sources.iter().map(sent).collect(),
            bytes_total: sources
                .iter()
                .fold(0, |sum, source| sum.saturating_add(source.size)),
            offer: Offer::new(sources)?,
            wants: VecDeque::new(),
            all_wanted: false,
            bundles: false,
            slots: VecDeque::new(),
            held: 0,
            last_frames: VecDeque::new(),
            wanted_bytes: 0,
            issued_bytes: 0,
            sent_bytes: 0,
            acked_bytes: 0,
            unacked_ends: VecDeque::new(),
            files_done: 0,
            files_skipped: 0,
            pause: Pause::default(),
            outcome: None,
        })
    }

    /// The next chunk to read. Several may be under way at once; they may come back in any order.
    pub fn poll_read(&mut self) -> Option<ReadChunk> {
        if self.outcome.is_some() || self.slots.len() >= TASKS || self.pause.now().holds() {
            return None;
        }
        let range = self.wants.front_mut()?;
        let (file, chunk) = (range.file, range.from);
        let sent = self.files.get(file as usize)?;
        let (len, digest) = (chunk_len(sent.size, chunk), sent.hash.digest(chunk));
        if self.held + len > HELD_BYTES
            || self.issued_bytes + len - self.acked_bytes > FILE_WINDOW
            || self.unacked_ends.len() >= FILE_WINDOW_CHUNKS
        {
            return None;
        }
        range.from += 1;
        if range.from == range.to {
            self.wants.pop_front();
        }
        self.held += len;
        self.issued_bytes += len;
        self.unacked_ends.push_back(self.issued_bytes);
        self.slots.push_back(Slot {
            file,
            chunk,
            len,
            prepared: None,
        });
        Some(ReadChunk {
            file,
            chunk,
            offset: u64::from(chunk) * FILE_CHUNK,
            len: len as u32,
            digest,
        })
    }

    /// A chunk has been read.
    pub fn chunk_read(&mut self, prepared: PreparedChunk) {
        let waiting = |slot: &&mut Slot| {
            slot.prepared.is_none() && (slot.file, slot.chunk) == (prepared.file, prepared.chunk)
        };
        if let Some(slot) = self.slots.iter_mut().find(waiting) {
            slot.prepared = Some(prepared);
        }
    }

    /// A chunk cannot be read: `SourceChanged`, `SourceGone` or `Io`.
    pub fn read_failed(&mut self, file: u32, code: ChannelCode, detail: impl Into<String>) {
        self.fail(code, detail.into(), Some(file));
    }

    /// Gives up, telling the other end why.
    pub fn cancel(&mut self, code: ChannelCode, detail: impl Into<String>) {
        self.fail(code, detail.into(), None);
    }

    /// Stops sending chunks, or goes on; the other end is told.
    pub const fn pause(&mut self, paused: bool) {
        self.pause.set(paused);
    }

    /// Whether the receiver left this file out.
    pub fn is_skipped(&self, file: u32) -> bool {
        self.files.get(file as usize).is_some_and(|file| file.skipped)
    }

    /// Whether [`Self::poll_frame`] has something now.
    pub fn has_frame(&self) -> bool {
        if self.outcome.is_some() {
            return !self.last_frames.is_empty();
        }
        !self.offer.ended() || self.pause.frame_due() || self.chunk_due()
    }

    /// Whether the next chunk is there to be sent: during a pause only to its end.
    fn chunk_due(&self) -> bool {
        let prepared = self.slots.front().and_then(|slot| slot.prepared.as_ref());
        prepared.is_some_and(|prepared| prepared.is_begun() || !self.pause.now().holds())
    }

    /// The next message; ask only when the path takes it.
    pub fn poll_frame(&mut self) -> Option<Bytes> {
        if self.outcome.is_some() {
            return self.last_frames.pop_front();
        }
        if let Some(frame) = self.offer.next_frame() {
            return Some(frame);
        }
        if let Some(frame) = self.pause.next_frame() {
            return Some(frame);
        }
        let mut bundle = Bundle::new(self.bundles);
        while self.chunk_due()
            && let Some(slot) = self.slots.front_mut()
            && let Some(prepared) = &mut slot.prepared
            && prepared.next_len().is_some_and(|len| bundle.takes(len))
        {
            prepared
                .next_frame()
                .into_iter()
                .for_each(|frame| bundle.add(frame));
            if prepared.is_sent() {
                self.sent_bytes += slot.len;
                self.held -= slot.len;
                self.slots.pop_front();
            }
        }
        bundle.message()
    }

    /// Takes a frame of the other end; HELLO and RENEW are the session's.
    pub fn handle(&mut self, frame: Frame) {
        if self.outcome.is_some() {
            return;
        }
        let result = match frame {
            Frame::FileWant(want) => self.want(want),
            Frame::FileAck(ack) => self.ack(ack.bytes),
            Frame::FileDone(done) => self.done(&done),
            Frame::FilePause(said) => return self.pause.heard(said),
            Frame::FileBundle(bundle) => {
                return bundle.frames.into_iter().for_each(|frame| self.handle(frame));
            }
            Frame::FileError(error) => return self.ended_by_peer(error.code, error.detail, error.file),
            Frame::Bye(bye) => return self.ended_by_peer(bye.code, bye.detail, None),
            other => Err((
                ChannelCode::Protocol,
                format!("a receiver does not send {:?}", other.frame_type()),
                None,
            )),
        };
        if let Err((code, detail, file)) = result {
            self.fail(code, detail, file);
        }
    }

    /// Set once it is over. Send what [`Self::poll_frame`] still has, then close.
    pub const fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// How far the receiver is.
    pub fn progress(&self) -> Progress {
        let missing = self.wanted_bytes - self.acked_bytes;
        Progress {
            bytes_done: if self.all_wanted {
                self.bytes_total.saturating_sub(missing)
            } else {
                self.acked_bytes
            },
            bytes_total: self.bytes_total,
            files_done: self.files_done,
            files_total: self.files.len() as u32 - self.files_skipped,
            paused: self.pause.now(),
        }
    }

    fn want(&mut self, want: FileWant) -> Result<(), Fault> {
        for range in want.skip {
            self.skip(range)?;
        }
        for range in want.ranges {
            let refuse = |why: &str| (ChannelCode::Protocol, why.to_owned(), Some(range.file));
            let file = self
                .files
                .get_mut(range.file as usize)
                .ok_or_else(|| refuse("there is no such file"))?;
            let chunks = chunk_count(file.size).unwrap_or_default();
            if range.from >= range.to || range.to > chunks || file.done || file.skipped {
                return Err(refuse("there are no such chunks"));
            }
            file.wanted_chunks += u64::from(range.to - range.from);
            // Once, and once again where what was resumed proved wrong.
            if file.wanted_chunks > 2 * u64::from(chunks) {
                return Err(refuse("asked for too often"));
            }
            let end = u64::from(range.to - 1) * FILE_CHUNK + chunk_len(file.size, range.to - 1);
            self.wanted_bytes += end - u64::from(range.from) * FILE_CHUNK;
            self.wants.push_back(range);
        }
        self.all_wanted |= want.last;
        self.bundles = want.bundles;
        self.finish_if_done();
        Ok(())
    }

    fn skip(&mut self, range: FileRange) -> Result<(), Fault> {
        let refuse = |file, why: &str| (ChannelCode::Protocol, why.to_owned(), Some(file));
        let files = self
            .files
            .get_mut(range.from as usize..range.to as usize)
            .filter(|files| !files.is_empty())
            .ok_or_else(|| refuse(range.from, "there are no such files"))?;
        for (number, file) in (range.from..).zip(files) {
            if file.done || file.wanted_chunks > 0 || file.skipped {
                return Err(refuse(number, "left out what it has or asked for"));
            }
            file.skipped = true;
            self.files_skipped += 1;
            self.bytes_total = self.bytes_total.saturating_sub(file.size);
        }
        Ok(())
    }

    fn ack(&mut self, bytes: u64) -> Result<(), Fault> {
        if bytes < self.acked_bytes || bytes > self.sent_bytes {
            return Err((
                ChannelCode::Protocol,
                "acknowledged what was not sent".into(),
                None,
            ));
        }
        self.acked_bytes = bytes;
        while self.unacked_ends.front().is_some_and(|end| *end <= bytes) {
            self.unacked_ends.pop_front();
        }
        Ok(())
    }

    fn done(&mut self, done: &FileDone) -> Result<(), Fault> {
        let refuse = |code, why: &str| (code, why.to_owned(), Some(done.file));
        let file = self
            .files
            .get_mut(done.file as usize)
            .filter(|file| !file.done && !file.skipped)
            .ok_or_else(|| refuse(ChannelCode::Protocol, "there is no such file to be done"))?;
        if blake3::Hash::from_hex(&done.hash).ok() != Some(file.hash.whole()) {
            return Err(refuse(
                ChannelCode::HashMismatch,
                "the receiver has other content",
            ));
        }
        file.done = true;
        self.files_done += 1;
        self.finish_if_done();
        Ok(())
    }

    fn finish_if_done(&mut self) {
        if self.all_wanted && (self.files_done + self.files_skipped) as usize == self.files.len() {
            let bye = Bye {
                code: ChannelCode::Done,
                detail: String::new(),
            };
            self.end(Outcome::Finished);
            self.last_frames.push_back(Frame::Bye(bye).encode());
        }
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
        self.slots.clear();
        self.wants.clear();
        self.held = 0;
    }
}

//! What waits for one peer, and what its socket may have lost.
//!
//! Bound: 256 messages or 1 MiB that wait. Overflow: they are dropped and the socket closed with 4408; whoever pushed does not
//! wait and does not learn of it. As many again, or 256 KiB, are kept after they were written, until the client has them for sure:
//! a socket that comes back within [`RESUME_WITHIN`] gets what it missed. Pushed to by any task, read by the socket's own.

use std::collections::VecDeque;
use std::task::Waker;

use mesh_protocol::error_code::close;
use mesh_protocol::limits::{OUTBOUND_BYTES, OUTBOUND_MESSAGES};
use parking_lot::{Mutex, MutexGuard};

use super::codec::Frame;

/// Seconds that a peer without a socket is waited for.
pub const RESUME_WITHIN: u64 = 120;

/// Seconds that another node has to take over a peer that it asked for.
const MOVE_WITHIN: u64 = 10;
/// Bytes that are handed over to another node at most.
const MOVED_BYTES: usize = OUTBOUND_BYTES / 2;

/// Written messages that are kept, and their bytes.
const KEPT_MESSAGES: usize = OUTBOUND_MESSAGES;
const KEPT_BYTES: usize = OUTBOUND_BYTES / 4;
/// Written messages after which the client is asked whether it has them: what it has need not be kept.
const ASK_EVERY: u64 = 32;

/// How the socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    pub code: u16,
    pub reason: &'static str,
}

impl Closing {
    /// A client that does not read what it is sent.
    pub const TOO_SLOW: Self = Self {
        code: close::TOO_SLOW,
        reason: "too slow to read",
    };
}

/// What a socket is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Write what it was given, if anything; then, where there is a count, ask the client whether it has everything up to that.
    Write(Option<u64>),
    Close(Closing),
    /// Another socket goes on for this peer.
    Yield,
}

/// A socket's hold on the queue. One holds it at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment(u64);

/// Where frames go after the peer has moved to another node. Called under the lock of the queue.
type Forward = Box<dyn Fn(&Frame) + Send>;

#[derive(Default)]
struct Waiting {
    /// Written ones first, oldest at the front.
    frames: VecDeque<Frame>,
    /// How many of `frames` were written.
    written: usize,
    /// Bytes of those that were written, and of those that were not.
    kept_bytes: usize,
    bytes: usize,
    /// How many were pushed before the first of `frames`.
    before: u64,
    /// Up to which count the client was asked.
    asked: u64,
    closing: Option<Closing>,
    /// Closed because this node goes, and another one may take the peer over: until then everything is kept.
    goes_on: bool,
    /// Too much waited: what is being written is given up too.
    overflowed: bool,
    /// The socket that writes. `None` before the first and after the last.
    attached: Option<Attachment>,
    /// Of the socket's task, since it last looked.
    waker: Option<Waker>,
    attachments: u64,
    /// Since when there is no socket, Unix seconds.
    detached_at: u64,
    /// Closed here because another node takes the peer over; frames follow it until the rooms know.
    forward: Option<Forward>,
    /// Taken over from another node: what follows from there may have come here too.
    overlaps: bool,
    /// Of a queue that was taken over and has moved on: what it had, so that nothing of it follows late. Bounded as `frames`.
    passed: VecDeque<Frame>,
}

impl Waiting {
    fn drop_front(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.before += 1;
            self.written -= 1;
            self.kept_bytes -= frame.len();
        }
    }

    fn close(&mut self, closing: Closing) {
        self.closing.get_or_insert(closing);
    }

    /// Lets the socket's task look, once the lock is released: on a thread of the runtime's own it is the next to run, while the
    /// processor still has the message at hand.
    fn wake(mut waiting: MutexGuard<'_, Self>) {
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The queue of one peer.
#[derive(Default)]
pub struct Outbound {
    /// Held for a push, or while frames are copied out.
    waiting: Mutex<Waiting>,
}

impl Outbound {
    /// Queues a frame; after a close or an overflow it goes nowhere.
    pub fn push(&self, frame: Frame) {
        let mut waiting = self.waiting.lock();
        if waiting.closing.is_some() && !waiting.goes_on {
            if let Some(forward) = &waiting.forward
                && !waiting.passed.contains(&frame)
            {
                forward(&frame);
            }
            return;
        }
        if waiting.overlaps && waiting.frames.contains(&frame) {
            return;
        }
        let unwritten = waiting.frames.len() - waiting.written;
        if unwritten >= OUTBOUND_MESSAGES || waiting.bytes + frame.len() > OUTBOUND_BYTES {
            waiting.frames = VecDeque::new();
            (waiting.written, waiting.bytes, waiting.kept_bytes) = (0, 0, 0);
            (waiting.overflowed, waiting.goes_on) = (true, false);
            waiting.close(Closing::TOO_SLOW);
        } else {
            waiting.bytes += frame.len();
            waiting.frames.push_back(frame);
        }
        Waiting::wake(waiting);
    }

    /// Closes the socket after what waits already. The first reason stands.
    pub fn close(&self, code: u16, reason: &'static str) {
        let mut waiting = self.waiting.lock();
        waiting.close(Closing { code, reason });
        Waiting::wake(waiting);
    }

    /// The same because this node goes; where there are others, the peer may go on at one of them.
    pub fn send_away(&self, goes_on: bool) {
        let mut waiting = self.waiting.lock();
        waiting.goes_on = goes_on && waiting.closing.is_none();
        waiting.close(Closing {
            code: close::RESTART,
            reason: "server is going away",
        });
        Waiting::wake(waiting);
    }

    /// Whether another node may take the peer over from this one, which goes.
    pub fn goes_on(&self) -> bool {
        self.waiting.lock().goes_on
    }

    /// Tells a socket what to do; hands it frames, in their order, until `room` bytes are taken or more. The waker is called when
    /// there is more to do.
    pub fn next(
        &self,
        attachment: Attachment,
        waker: &Waker,
        mut room: usize,
        mut take: impl FnMut(&Frame),
    ) -> Order {
        let mut waiting = self.waiting.lock();
        if waiting.attached != Some(attachment) {
            return Order::Yield;
        }
        let before = waiting.written;
        while room > 0
            && let Some(frame) = waiting.frames.get(waiting.written)
        {
            take(frame);
            let length = frame.len();
            room = room.saturating_sub(length);
            waiting.written += 1;
            waiting.bytes -= length;
            waiting.kept_bytes += length;
        }
        while waiting.written > KEPT_MESSAGES || waiting.kept_bytes > KEPT_BYTES {
            waiting.drop_front();
        }
        if let Some(closing) = waiting.closing
            && (waiting.overflowed || room > 0 && waiting.written == before)
        {
            return Order::Close(closing);
        }
        match &mut waiting.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        let count = waiting.before + waiting.written as u64;
        // What is kept also tells what of another node came twice.
        let asks = !waiting.overlaps && count >= waiting.asked + ASK_EVERY;
        if asks {
            waiting.asked = count;
        }
        Order::Write(asks.then_some(count))
    }

    /// How many wait to be written by the socket that is there.
    pub fn unwritten(&self) -> usize {
        let waiting = self.waiting.lock();
        waiting
            .attached
            .map_or(0, |_| waiting.frames.len() - waiting.written)
    }

    /// How many were written so far, where the client may lack some of them.
    pub fn unconfirmed(&self) -> Option<u64> {
        let waiting = self.waiting.lock();
        (waiting.written > 0).then(|| waiting.before + waiting.written as u64)
    }

    /// The client has everything up to this count.
    pub fn confirm(&self, count: u64) {
        let mut waiting = self.waiting.lock();
        while waiting.written > 0 && waiting.before < count {
            waiting.drop_front();
        }
        if waiting.frames.is_empty() {
            // An idle socket costs no queue.
            waiting.frames = VecDeque::new();
            waiting.overlaps = false;
        }
    }

    /// The first socket.
    pub fn attach(&self) -> Attachment {
        Self::hand_over(self.waiting.lock())
    }

    /// Another socket, whose client has `seen` so many. `None` where what it lacks is no longer there.
    pub fn resume(&self, seen: u64) -> Option<Attachment> {
        let mut waiting = self.waiting.lock();
        let written = waiting.before + waiting.written as u64;
        if waiting.closing.is_some() || !(waiting.before..=written).contains(&seen) {
            return None;
        }
        while waiting.before < seen {
            waiting.drop_front();
        }
        waiting.written = 0;
        waiting.bytes += std::mem::take(&mut waiting.kept_bytes);
        Some(Self::hand_over(waiting))
    }

    /// Gives the queue to another node, whose client has `seen` so many: what the client lacks, and from now on every frame by
    /// `forward`. `None` as for [`Self::resume`], or where it is too much.
    pub fn move_away(&self, seen: u64, forward: Forward, now: u64) -> Option<Vec<Frame>> {
        let mut waiting = self.waiting.lock();
        let written = waiting.before + waiting.written as u64;
        let bytes = waiting.bytes + waiting.kept_bytes;
        let ends = waiting.closing.is_some() && !waiting.goes_on;
        if ends || !(waiting.before..=written).contains(&seen) || bytes > MOVED_BYTES {
            return None;
        }
        if waiting.overlaps {
            waiting.passed = waiting.frames.clone();
        }
        while waiting.before < seen {
            waiting.drop_front();
        }
        let frames = std::mem::take(&mut waiting.frames);
        (waiting.written, waiting.bytes, waiting.kept_bytes) = (0, 0, 0);
        waiting.goes_on = false;
        waiting.close(Closing {
            code: close::RESTART,
            reason: "goes on at another node",
        });
        (waiting.forward, waiting.attached, waiting.detached_at) = (Some(forward), None, now);
        Waiting::wake(waiting);
        Some(frames.into())
    }

    /// The queue of a peer that another node handed over.
    pub fn handed_over(seen: u64, frames: Vec<Frame>) -> Self {
        let waiting = Waiting {
            bytes: frames.iter().map(Frame::len).sum(),
            frames: frames.into(),
            before: seen,
            overlaps: true,
            ..Waiting::default()
        };
        Self {
            waiting: Mutex::new(waiting),
        }
    }

    /// Whether another node has the queue.
    pub fn has_moved(&self) -> bool {
        self.waiting.lock().forward.is_some()
    }

    /// The socket before, where there is one, learns of it.
    fn hand_over(mut waiting: MutexGuard<'_, Waiting>) -> Attachment {
        waiting.attachments += 1;
        let attachment = Attachment(waiting.attachments);
        waiting.attached = Some(attachment);
        Waiting::wake(waiting);
        attachment
    }

    /// The socket is gone; whether there is none now, rather than another one already.
    pub fn detach(&self, attachment: Attachment, now: u64) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.attached != Some(attachment) {
            return false;
        }
        (waiting.attached, waiting.waker) = (None, None);
        waiting.detached_at = now;
        true
    }

    /// Whether no socket is there, and none is waited for any longer: from now on it is closed.
    pub fn expire(&self, now: u64) -> bool {
        let mut waiting = self.waiting.lock();
        let moves = waiting.forward.is_some() && waiting.detached_at.saturating_add(MOVE_WITHIN) > now;
        let ends = waiting.closing.is_some() && !waiting.goes_on && !moves;
        let over = ends || waiting.detached_at.saturating_add(RESUME_WITHIN) <= now;
        if waiting.attached.is_some() || !over {
            return false;
        }
        waiting.close(Closing {
            code: close::RESTART,
            reason: "gone for too long",
        });
        true
    }

    /// Whether there is no socket; from now on none can come back.
    pub fn end_detached(&self) -> bool {
        self.expire(u64::MAX)
    }
}

#[cfg(test)]
#[path = "outbound_tests.rs"]
mod tests;

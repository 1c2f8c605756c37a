//! What waits for one peer, and what its socket may have lost.
//!
//! Bound: 256 messages or 1 MiB that wait. Overflow: they are dropped and the socket closed with 4408; whoever pushed does not
//! wait and does not learn of it. As many again, or 256 KiB, are kept after they were written, until the client has them for sure:
//! a socket that comes back within [`RESUME_WITHIN`] gets what it missed. Pushed to by any task, read by the socket's own.

use std::collections::VecDeque;
use std::task::{Context, Waker};

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

    /// Lets the socket's task look, once the lock is released.
    fn wake(mut waiting: MutexGuard<'_, Self>) {
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            wake_after_ready(&waker);
        }
    }
}

/// Wakes a task once those that are ready now had their turn: what they push meanwhile goes out in the same write, and a
/// thread reads from many sockets in a row before it writes to many. Outside the runtime it is woken at once.
fn wake_after_ready(waker: &Waker) {
    // What a task that yields does with its own waker.
    let yielding = std::pin::pin!(tokio::task::yield_now());
    if yielding.poll(&mut Context::from_waker(waker)).is_ready() {
        waker.wake_by_ref();
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
        if waiting.closing.is_some() {
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
            waiting.overflowed = true;
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
        if waiting.closing.is_some() || !(waiting.before..=written).contains(&seen) || bytes > MOVED_BYTES {
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
        let over =
            !moves && waiting.closing.is_some() || waiting.detached_at.saturating_add(RESUME_WITHIN) <= now;
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
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// All that a socket is given at once, and what it is to do then.
    fn take(outbound: &Outbound, attachment: Attachment) -> (Vec<Frame>, Order) {
        let mut all = Vec::new();
        loop {
            let before = all.len();
            let order = outbound.next(attachment, Waker::noop(), 1, |frame| all.push(frame.clone()));
            if !matches!(order, Order::Write(_)) || all.len() == before {
                return (all, order);
            }
        }
    }

    fn texts(of: &[&str]) -> Vec<Frame> {
        of.iter().map(|text| Frame::from(*text)).collect()
    }

    fn number(number: usize) -> Frame {
        Frame::from(&*number.to_string())
    }

    #[test]
    fn both_bounds_cut_the_socket_and_free_the_memory() {
        let long = "x".repeat(64 * 1024 - 10);
        for (text, fits) in [("x", OUTBOUND_MESSAGES), (&*long, OUTBOUND_BYTES / 65_536)] {
            let frame = Frame::from(text);
            let outbound = Outbound::default();
            let socket = outbound.attach();
            for _ in 0..fits {
                outbound.push(frame.clone());
            }
            let mut first = None;
            outbound.next(socket, Waker::noop(), 1, |frame| first = Some(frame.clone()));
            assert_eq!(first, Some(frame.clone()), "the bound itself fits");
            outbound.push(frame.clone());
            outbound.push(frame.clone());
            assert_eq!(
                outbound.next(socket, Waker::noop(), 0, |_| ()),
                Order::Close(Closing::TOO_SLOW)
            );
            outbound.push(frame);
            assert_eq!(
                take(&outbound, socket),
                (Vec::new(), Order::Close(Closing::TOO_SLOW))
            );
            assert!(outbound.resume(0).is_none());
            assert_eq!(outbound.waiting.lock().frames.capacity(), 0);
        }
    }

    #[test]
    fn a_close_lets_what_waits_go_first() {
        let outbound = Outbound::default();
        let socket = outbound.attach();
        outbound.push("a".into());
        outbound.close(close::SESSION_ENDED, "first");
        outbound.close(close::RESTART, "second");
        outbound.push("b".into());
        assert_eq!(
            outbound.next(socket, Waker::noop(), 0, |_| ()),
            Order::Write(None)
        );
        let closing = Closing {
            code: close::SESSION_ENDED,
            reason: "first",
        };
        assert_eq!(take(&outbound, socket), (texts(&["a"]), Order::Close(closing)));
    }

    #[test]
    fn another_socket_goes_on_after_what_the_client_has() {
        let outbound = Outbound::default();
        let first = outbound.attach();
        for one in 1..=5 {
            outbound.push(number(one));
        }
        assert_eq!(take(&outbound, first).0.len(), 5);
        assert!(outbound.detach(first, 0));
        outbound.push("6".into());
        let second = outbound.resume(3).unwrap();
        assert_eq!(take(&outbound, first), (Vec::new(), Order::Yield));
        assert_eq!(take(&outbound, second).0, texts(&["4", "5", "6"]));
        // The server had not noticed yet: the old one is told, and takes nothing with it.
        let third = outbound.resume(5).unwrap();
        assert!(take(&outbound, second).1 == Order::Yield && !outbound.detach(second, 0));
        assert_eq!(take(&outbound, third).0, texts(&["6"]));
        assert!(outbound.resume(7).is_none(), "nobody has seen what was not said");
        assert!(outbound.resume(4).is_none(), "it said that it has five");
    }

    #[test]
    fn whatever_there_is_to_do_wakes_the_socket() {
        struct Count(AtomicUsize);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let happens: [fn(&Outbound); 4] = [
            |outbound| outbound.push("a".into()),
            |outbound| outbound.close(close::RESTART, "over"),
            |outbound| assert!(outbound.resume(0).is_some()),
            |outbound| (0..=OUTBOUND_MESSAGES).for_each(|_| outbound.push("a".into())),
        ];
        for happens in happens {
            let outbound = Outbound::default();
            let socket = outbound.attach();
            let count = Arc::new(Count(AtomicUsize::new(0)));
            let waker = Waker::from(count.clone());
            outbound.push("before".into());
            let mut given = 0;
            outbound.next(socket, &waker, 1, |_| given += 1);
            happens(&outbound);
            assert_eq!(
                (given, count.0.load(Ordering::Relaxed)),
                (1, 1),
                "also while the client does not take what was given"
            );
        }
    }

    #[test]
    fn the_client_is_asked_at_times_whether_it_has_what_was_written() {
        let outbound = Outbound::default();
        let socket = outbound.attach();
        let mut asked = Vec::new();
        for one in 0..2 * ASK_EVERY + 1 {
            outbound.push(number(one as usize));
            if let Order::Write(Some(count)) = outbound.next(socket, Waker::noop(), 1, |_| ()) {
                asked.push(count);
                outbound.confirm(count);
            }
        }
        assert_eq!(asked, [ASK_EVERY, 2 * ASK_EVERY]);
        assert_eq!(outbound.unconfirmed(), Some(2 * ASK_EVERY + 1));
        assert_eq!(outbound.waiting.lock().frames.len(), 1);
    }

    #[test]
    fn what_is_kept_has_its_bounds_and_goes_when_it_is_confirmed() {
        let outbound = Outbound::default();
        let socket = outbound.attach();
        for _ in 0..3 {
            for one in 0..200 {
                outbound.push(number(one));
            }
            take(&outbound, socket);
        }
        assert_eq!(outbound.waiting.lock().frames.len(), KEPT_MESSAGES);
        assert!(outbound.resume(600 - KEPT_MESSAGES as u64 - 1).is_none());
        for _ in 0..20 {
            outbound.push(Frame::from(&*"x".repeat(60 * 1024)));
            take(&outbound, socket);
        }
        assert!(outbound.waiting.lock().kept_bytes <= KEPT_BYTES);
        assert_eq!(outbound.unconfirmed(), Some(620));
        outbound.confirm(619);
        assert_eq!(outbound.waiting.lock().frames.len(), 1);
        outbound.confirm(u64::MAX);
        assert_eq!(outbound.unconfirmed(), None);
        assert_eq!(outbound.waiting.lock().frames.capacity(), 0);
    }

    #[test]
    fn a_queue_goes_on_at_another_node_without_a_gap_and_nothing_twice() {
        let here = Outbound::default();
        let socket = here.attach();
        for one in 1..=4 {
            here.push(number(one));
        }
        assert_eq!(take(&here, socket).0.len(), 4);
        here.push(number(5));
        let followed: Arc<Mutex<Vec<Frame>>> = Arc::default();
        let (to, seen) = (followed.clone(), 2);
        let forward = move |frame: &Frame| to.lock().push(frame.clone());
        assert!(
            here.move_away(6, Box::new(|_| ()), 100).is_none(),
            "nobody has seen what was not said"
        );
        let frames = here.move_away(seen, Box::new(forward), 100).unwrap();
        assert_eq!(take(&here, socket), (Vec::new(), Order::Yield));
        assert!(here.resume(2).is_none() && here.has_moved());
        here.push(number(6));
        here.push(number(7));
        let there = Outbound::handed_over(seen, frames);
        let socket = there.attach();
        // The room has told the new node of the sixth already.
        there.push(number(6));
        for frame in followed.lock().iter() {
            there.push(frame.clone());
        }
        assert_eq!(take(&there, socket).0, texts(&["3", "4", "5", "6", "7"]));
        // It moves on, and what the client has from here follows late from the first.
        let late: Arc<Mutex<Vec<Frame>>> = Arc::default();
        let to = late.clone();
        let forward = move |frame: &Frame| to.lock().push(frame.clone());
        assert_eq!(there.move_away(7, Box::new(forward), 100), Some(Vec::new()));
        there.push(number(6));
        there.push(number(8));
        assert_eq!(*late.lock(), texts(&["8"]));
        assert!(!here.expire(109) && here.expire(110));
    }

    #[test]
    fn a_peer_without_a_socket_is_waited_for_two_minutes() {
        let outbound = Outbound::default();
        let socket = outbound.attach();
        assert!(!outbound.expire(u64::MAX), "it has one");
        assert!(outbound.detach(socket, 1_000));
        assert!(!outbound.expire(1_119));
        let back = outbound.resume(0).unwrap();
        assert!(outbound.detach(back, 2_000));
        assert!(outbound.expire(2_120));
        assert!(outbound.resume(0).is_none());
    }
}

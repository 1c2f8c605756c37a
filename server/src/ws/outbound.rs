//! What waits for one peer, and what its socket may have lost.
//!
//! Bound: 256 messages or 1 MiB that wait. Overflow: they are dropped and the socket closed with 4408; whoever pushed does not
//! wait and does not learn of it. As many again, or 256 KiB, are kept after they were written, until the client has them for sure:
//! a socket that comes back within [`RESUME_WITHIN`] gets what it missed. Pushed to by any task, read by the socket's own.

use std::collections::VecDeque;

use axum::extract::ws::Utf8Bytes;
use mesh_protocol::error_code::close;
use mesh_protocol::limits::{OUTBOUND_BYTES, OUTBOUND_MESSAGES};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Seconds that a peer without a socket is waited for.
pub const RESUME_WITHIN: u64 = 120;

/// Written messages that are kept, and their bytes.
const KEPT_MESSAGES: usize = OUTBOUND_MESSAGES;
const KEPT_BYTES: usize = OUTBOUND_BYTES / 4;

/// How the socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    pub code: u16,
    pub reason: &'static str,
}

/// The next thing to write.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Frame(Utf8Bytes),
    Close(Closing),
    Nothing,
    /// Another socket goes on for this peer.
    Superseded,
}

/// A socket's hold on the queue. One holds it at a time.
#[derive(Clone, Debug)]
pub struct Attachment {
    number: u64,
    /// Another socket has taken over.
    pub superseded: CancellationToken,
}

#[derive(Default)]
struct Waiting {
    /// Written ones first, oldest at the front.
    frames: VecDeque<Utf8Bytes>,
    /// How many of `frames` were written.
    written: usize,
    /// Bytes of those that were written, and of those that were not.
    kept_bytes: usize,
    bytes: usize,
    /// How many were pushed before the first of `frames`.
    before: u64,
    closing: Option<Closing>,
    /// The socket that writes. `None` before the first and after the last.
    attached: Option<Attachment>,
    attachments: u64,
    /// Since when there is no socket, Unix seconds.
    detached_at: u64,
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

    fn holds(&self, attachment: &Attachment) -> bool {
        self.attached
            .as_ref()
            .is_some_and(|attached| attached.number == attachment.number)
    }
}

/// The queue of one peer.
#[derive(Default)]
pub struct Outbound {
    /// Held for a push or a pop.
    waiting: Mutex<Waiting>,
    /// One permit: something is to be written.
    wake: Notify,
    /// One permit: give up what is being written.
    cut: Notify,
}

impl Outbound {
    /// Queues a frame; after a close or an overflow it goes nowhere.
    pub fn push(&self, frame: Utf8Bytes) {
        let mut waiting = self.waiting.lock();
        if waiting.closing.is_some() {
            return;
        }
        let unwritten = waiting.frames.len() - waiting.written;
        if unwritten >= OUTBOUND_MESSAGES || waiting.bytes + frame.len() > OUTBOUND_BYTES {
            waiting.frames = VecDeque::new();
            (waiting.written, waiting.bytes, waiting.kept_bytes) = (0, 0, 0);
            waiting.close(Closing {
                code: close::TOO_SLOW,
                reason: "too slow to read",
            });
            self.cut.notify_one();
        } else {
            waiting.bytes += frame.len();
            waiting.frames.push_back(frame);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Closes the socket after what waits already. The first reason stands.
    pub fn close(&self, code: u16, reason: &'static str) {
        self.waiting.lock().close(Closing { code, reason });
        self.wake.notify_one();
    }

    /// Takes the next thing out.
    pub fn next(&self, attachment: &Attachment) -> Next {
        let mut waiting = self.waiting.lock();
        if !waiting.holds(attachment) {
            // The permit that led here was meant for the other.
            self.wake.notify_one();
            return Next::Superseded;
        }
        let at = waiting.written;
        let Some(frame) = waiting.frames.get(at).cloned() else {
            return waiting.closing.map_or(Next::Nothing, Next::Close);
        };
        waiting.written += 1;
        waiting.bytes -= frame.len();
        waiting.kept_bytes += frame.len();
        while waiting.written > KEPT_MESSAGES || waiting.kept_bytes > KEPT_BYTES {
            waiting.drop_front();
        }
        Next::Frame(frame)
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
        }
    }

    /// The first socket.
    pub fn attach(&self) -> Attachment {
        Self::hand_over(&mut self.waiting.lock())
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
        let attachment = Self::hand_over(&mut waiting);
        drop(waiting);
        self.wake.notify_one();
        Some(attachment)
    }

    fn hand_over(waiting: &mut Waiting) -> Attachment {
        waiting.attachments += 1;
        let attachment = Attachment {
            number: waiting.attachments,
            superseded: CancellationToken::new(),
        };
        if let Some(before) = waiting.attached.replace(attachment.clone()) {
            before.superseded.cancel();
        }
        attachment
    }

    /// The socket is gone; whether there is none now, rather than another one already.
    pub fn detach(&self, attachment: &Attachment, now: u64) -> bool {
        let mut waiting = self.waiting.lock();
        if !waiting.holds(attachment) {
            return false;
        }
        waiting.attached = None;
        waiting.detached_at = now;
        true
    }

    /// Whether no socket is there, and none is waited for any longer: from now on it is closed.
    pub fn expire(&self, now: u64) -> bool {
        let mut waiting = self.waiting.lock();
        let over = waiting.closing.is_some() || waiting.detached_at.saturating_add(RESUME_WITHIN) <= now;
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

    /// Resolves when [`next`](Self::next) has something. Cancel-safe.
    pub async fn ready(&self) {
        self.wake.notified().await;
    }

    /// Resolves when the queue overflowed. Cancel-safe.
    pub async fn overflowed(&self) {
        self.cut.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSED: Closing = Closing {
        code: close::TOO_SLOW,
        reason: "too slow to read",
    };

    fn frames(outbound: &Outbound, attachment: &Attachment) -> Vec<String> {
        let mut all = Vec::new();
        while let Next::Frame(frame) = outbound.next(attachment) {
            all.push(frame.to_string());
        }
        all
    }

    #[test]
    fn both_bounds_cut_the_socket_and_free_the_memory() {
        for (frame, fits) in [
            ("x".to_owned(), OUTBOUND_MESSAGES),
            ("x".repeat(64 * 1024), OUTBOUND_BYTES / 65_536),
        ] {
            let frame = Utf8Bytes::from(frame);
            let outbound = Outbound::default();
            let socket = outbound.attach();
            for _ in 0..fits {
                outbound.push(frame.clone());
            }
            assert_eq!(
                outbound.next(&socket),
                Next::Frame(frame.clone()),
                "the bound itself fits"
            );
            outbound.push(frame.clone());
            outbound.push(frame.clone());
            assert_eq!(outbound.next(&socket), Next::Close(CLOSED));
            outbound.push(frame);
            assert_eq!(outbound.next(&socket), Next::Close(CLOSED));
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
        assert_eq!(outbound.next(&socket), Next::Frame("a".into()));
        assert_eq!(
            outbound.next(&socket),
            Next::Close(Closing {
                code: close::SESSION_ENDED,
                reason: "first"
            })
        );
    }

    #[test]
    fn another_socket_goes_on_after_what_the_client_has() {
        let outbound = Outbound::default();
        let first = outbound.attach();
        for number in 1..=5 {
            outbound.push(number.to_string().into());
        }
        assert_eq!(frames(&outbound, &first).len(), 5);
        assert!(outbound.detach(&first, 0));
        outbound.push("6".into());
        let second = outbound.resume(3).unwrap();
        assert_eq!(outbound.next(&first), Next::Superseded);
        assert_eq!(frames(&outbound, &second), ["4", "5", "6"]);
        // The server had not noticed yet: the old one is told, and takes nothing with it.
        let third = outbound.resume(5).unwrap();
        assert!(second.superseded.is_cancelled() && !outbound.detach(&second, 0));
        assert_eq!(frames(&outbound, &third), ["6"]);
        assert!(outbound.resume(7).is_none(), "nobody has seen what was not said");
        assert!(outbound.resume(4).is_none(), "it said that it has five");
    }

    #[test]
    fn what_is_kept_has_its_bounds_and_goes_when_it_is_confirmed() {
        let outbound = Outbound::default();
        let socket = outbound.attach();
        for _ in 0..3 {
            for number in 0..200 {
                outbound.push(number.to_string().into());
            }
            frames(&outbound, &socket);
        }
        assert_eq!(outbound.waiting.lock().frames.len(), KEPT_MESSAGES);
        assert!(outbound.resume(600 - KEPT_MESSAGES as u64 - 1).is_none());
        for _ in 0..20 {
            outbound.push("x".repeat(60 * 1024).into());
            frames(&outbound, &socket);
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
    fn a_peer_without_a_socket_is_waited_for_two_minutes() {
        let outbound = Outbound::default();
        let socket = outbound.attach();
        assert!(!outbound.expire(u64::MAX), "it has one");
        assert!(outbound.detach(&socket, 1_000));
        assert!(!outbound.expire(1_119));
        let back = outbound.resume(0).unwrap();
        assert!(outbound.detach(&back, 2_000));
        assert!(outbound.expire(2_120));
        assert!(outbound.resume(0).is_none());
    }
}

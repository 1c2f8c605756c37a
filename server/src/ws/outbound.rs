//! What waits for one socket.
//!
//! Bound: 256 messages or 1 MiB. Overflow: the queue is dropped and the socket closed with 4408; whoever pushed does not
//! wait and does not learn of it. Pushed to by any task, read by the socket's own.

use std::collections::VecDeque;

use axum::extract::ws::Utf8Bytes;
use mesh_protocol::error_code::close;
use mesh_protocol::limits::{OUTBOUND_BYTES, OUTBOUND_MESSAGES};
use parking_lot::Mutex;
use tokio::sync::Notify;

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
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    closing: Option<Closing>,
}

/// The queue of one socket.
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
        if waiting.frames.len() >= OUTBOUND_MESSAGES || waiting.bytes + frame.len() > OUTBOUND_BYTES {
            waiting.frames = VecDeque::new();
            waiting.bytes = 0;
            waiting.closing = Some(Closing {
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
        self.waiting
            .lock()
            .closing
            .get_or_insert(Closing { code, reason });
        self.wake.notify_one();
    }

    /// Takes the next thing out.
    pub fn next(&self) -> Next {
        let mut waiting = self.waiting.lock();
        if let Some(frame) = waiting.frames.pop_front() {
            waiting.bytes -= frame.len();
            return Next::Frame(frame);
        }
        waiting.closing.map_or(Next::Nothing, Next::Close)
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

    #[test]
    fn both_bounds_cut_the_socket_and_free_the_memory() {
        for (frame, fits) in [
            ("x".to_owned(), OUTBOUND_MESSAGES),
            ("x".repeat(64 * 1024), OUTBOUND_BYTES / 65_536),
        ] {
            let frame = Utf8Bytes::from(frame);
            let outbound = Outbound::default();
            for _ in 0..fits {
                outbound.push(frame.clone());
            }
            assert_eq!(
                outbound.next(),
                Next::Frame(frame.clone()),
                "the bound itself fits"
            );
            outbound.push(frame.clone());
            outbound.push(frame.clone());
            assert!(matches!(
                outbound.next(),
                Next::Close(Closing {
                    code: close::TOO_SLOW,
                    ..
                })
            ));
            outbound.push(frame);
            assert!(matches!(outbound.next(), Next::Close(_)));
        }
    }

    #[test]
    fn a_close_lets_what_waits_go_first() {
        let outbound = Outbound::default();
        outbound.push("a".into());
        outbound.close(close::SESSION_ENDED, "first");
        outbound.close(close::RESTART, "second");
        outbound.push("b".into());
        assert_eq!(outbound.next(), Next::Frame("a".into()));
        assert_eq!(
            outbound.next(),
            Next::Close(Closing {
                code: close::SESSION_ENDED,
                reason: "first"
            })
        );
    }
}

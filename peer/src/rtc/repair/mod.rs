//! Repairs lost datagrams below DTLS, between two ends that both announce it.
//!
//! Owns numbering, holding back, feedback and sending again of the datagrams of one connection; sans-IO. It must not
//! know DTLS, SCTP or sockets, and never looks into a datagram. SCTP halves its window for every loss and waits a
//! second for a lost tail; here a loss costs one round trip, and how much is in flight stays with `congestion`.
//!
//! Loss is told by the distance of three datagrams or by time, as RFC 9002 (section 6) does for QUIC, whose packet
//! layer this follows; a receiver reports runs as SCTP's gap blocks do (RFC 9260, section 3.3.4). Two kinds of
//! datagrams, whose first byte no other protocol on the socket uses (RFC 7983), numbers in network order:
//!
//! ```text
//! 0xC0 | tag u32 | number u32 | datagram                            sent once or more
//! 0xC1 | tag u32 | next u32 | (missing u16 | received u16)*         what came, after all before `next`
//! ```
//!
//! The tag is drawn by the end that receives and told in its description, so that who does not see the descriptions
//! cannot put a number in the way of the real one.

mod receiver;
mod sender;
#[cfg(test)]
mod sim;

use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use receiver::Receiver;
use sender::Sender;

const DATA: u8 = 0xC0;
const FEEDBACK: u8 = 0xC1;

/// Bytes in front of each numbered datagram.
pub(super) const HEADER_BYTES: usize = 9;

/// Numbered datagrams that are kept until the other end has them, and that are held back behind a missing one. The
/// largest window of SCTP fits; beyond it the oldest is given up, and SCTP repairs it as if this layer were not there.
const WINDOW: usize = 4096;

/// Runs in one report.
const MOST_RUNS: usize = 128;

/// What waits longest before it is reported.
const REPORT_DELAY: Duration = Duration::from_millis(2);

/// One stretch of a report: so many are missing, then so many were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    missing: u16,
    received: u16,
}

/// Both directions of one connection. `T` is a received datagram with whatever belongs to it.
#[derive(Debug)]
pub(super) struct Repair<T> {
    own_tag: u32,
    peer_tag: u32,
    sender: Sender,
    receiver: Receiver<T>,
}

impl<T> Repair<T> {
    pub(super) fn new(own_tag: u32, peer_tag: u32) -> Self {
        Self {
            own_tag,
            peer_tag,
            sender: Sender::default(),
            receiver: Receiver::default(),
        }
    }

    /// The header of the next datagram that is sent for the first time.
    pub(super) fn number(&self) -> [u8; HEADER_BYTES] {
        header(DATA, self.peer_tag, self.sender.end())
    }

    /// Keeps that datagram until it is reported.
    pub(super) fn on_sent(&mut self, now: Instant, datagram: BytesMut) {
        self.sender.push(now, datagram);
    }

    /// Takes a received datagram of this layer; gives back any other, to be handled as it is. `keep` is called for the
    /// content of a numbered one that was not seen before; [`Self::poll_read`] has it in its turn.
    pub(super) fn handle_read(
        &mut self,
        now: Instant,
        mut datagram: BytesMut,
        keep: impl FnOnce(BytesMut) -> T,
    ) -> Option<BytesMut> {
        let Some(header) = datagram.first_chunk::<HEADER_BYTES>() else {
            return Some(datagram);
        };
        let [kind, a, b, c, d, number @ ..] = *header;
        if u32::from_be_bytes([a, b, c, d]) != self.own_tag || !matches!(kind, DATA | FEEDBACK) {
            return Some(datagram);
        }
        datagram.advance(HEADER_BYTES);
        let number = u32::from_be_bytes(number);
        if kind == DATA {
            self.receiver.on_datagram(now, number, || keep(datagram));
        } else {
            let runs = datagram.chunks_exact(4).take(MOST_RUNS).map(|run| Run {
                missing: u16::from_be_bytes([run[0], run[1]]),
                received: u16::from_be_bytes([run[2], run[3]]),
            });
            self.sender.on_feedback(now, number, runs);
        }
        None
    }

    /// The next received datagram in its turn.
    pub(super) fn poll_read(&mut self) -> Option<T> {
        self.receiver.poll_read()
    }

    /// The next datagram of this layer's own accord: one sent again, or a report. Gives what `write` gives.
    pub(super) fn poll_write<R>(
        &mut self,
        now: Instant,
        write: impl FnOnce(&[u8; HEADER_BYTES], &[u8]) -> R,
    ) -> Option<R> {
        if let Some((number, datagram)) = self.sender.poll_again(now) {
            return Some(write(&header(DATA, self.peer_tag, number), datagram));
        }
        let (next, runs) = self.receiver.poll_report(now)?;
        let mut body = Vec::with_capacity(runs.len() * 4);
        for run in runs {
            body.extend(run.missing.to_be_bytes());
            body.extend(run.received.to_be_bytes());
        }
        Some(write(&header(FEEDBACK, self.peer_tag, next), &body))
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        [self.sender.next_timeout(), self.receiver.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.sender.handle_timeout(now);
        self.receiver.handle_timeout(now);
    }

    /// There is another path: what was given up asking for is asked for again.
    pub(super) fn on_another_path(&mut self, now: Instant) {
        self.sender.on_another_path(now);
    }

    /// Numbered datagrams whose arrival was not reported yet.
    pub(super) fn unreported(&self) -> usize {
        self.sender.unreported()
    }

    /// Bytes that arrived but wait there behind a missing datagram: they are no longer in flight.
    pub(super) fn held_there(&self) -> usize {
        self.sender.held_there()
    }

    /// Datagrams sent for the first time, and those of them that were found lost, ever.
    pub(super) fn losses(&self) -> (u64, u64) {
        self.sender.losses()
    }
}

fn header(kind: u8, tag: u32, number: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[0] = kind;
    header[1..5].copy_from_slice(&tag.to_be_bytes());
    // The low half goes over the wire; the reader knows the rest from what it expects.
    header[5..].copy_from_slice(&(number as u32).to_be_bytes());
    header
}

/// The number near `expected` whose low half is `low`.
fn widen(expected: u64, low: u32) -> Option<u64> {
    let distance = low.wrapping_sub(expected as u32) as i32;
    expected.checked_add_signed(distance.into())
}

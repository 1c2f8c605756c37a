//! Repairs lost datagrams below DTLS, between two ends that both announce it.
//!
//! Owns numbering, holding back, feedback and sending again of the datagrams of one connection; sans-IO. It must not
//! know DTLS, SCTP or sockets, and never looks into a record. SCTP halves its window for every loss and waits a
//! second for a lost tail; here a loss costs one round trip, and how much is in flight stays with `congestion`.
//! A record that is longer than a datagram goes in parts: what the stack does for each record costs more than what the
//! kernel does for each datagram.
//!
//! Loss is told by the distance of three datagrams or by time, as RFC 9002 (section 6) does for QUIC, whose packet
//! layer this follows; a receiver reports runs as SCTP's gap blocks do (RFC 9260, section 3.3.4). Kinds of
//! datagrams, whose first byte no other protocol on the socket uses (RFC 7983), numbers in network order:
//!
//! ```text
//! 0xC0 | tag u32 | number u32 | record                              sent once or more
//! 0xC1 | tag u32 | next u32 | (missing u16 | received u16)*         what came, after all before `next`
//! 0xC2 | tag u32 | number u32 | the first part of a record          the numbers of its parts follow each other
//! 0xC3 | tag u32 | number u32 | a part between
//! 0xC4 | tag u32 | number u32 | the last part
//! ```
//!
//! The tag is drawn by the end that receives and told in its description, so that who does not see the descriptions
//! cannot put a number in the way of the real one.

mod receiver;
mod sender;
#[cfg(test)]
mod sim;

use std::time::{Duration, Instant};

use bytes::BytesMut;
use receiver::Receiver;
use sender::Sender;

const FEEDBACK: u8 = 0xC1;

/// Bytes in front of each numbered datagram.
pub(super) const HEADER_BYTES: usize = 9;

/// The most that one datagram holds after the header.
pub(super) const MOST_PART_BYTES: usize = 1219;
/// A record of five equal parts.
pub(super) const LONG_RECORD_BYTES: usize = 5 * 1217;
/// The longest record that is put together: DTLS has none that is longer (RFC 6347, section 4.1).
pub const MAX_RECORD_BYTES: usize = 13 + (1 << 14) + 2048;

/// Numbered datagrams that are kept until the other end has them, and that are held back behind a missing one. The
/// largest window of SCTP fits; beyond it the oldest is given up, and SCTP repairs it as if this layer were not there.
const WINDOW: usize = 4096;

/// Runs in one report.
const MOST_RUNS: usize = 128;

/// What waits longest before it is reported.
const REPORT_DELAY: Duration = Duration::from_millis(2);

/// What of a record a numbered datagram holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Part {
    Whole = 0xC0,
    First = 0xC2,
    Between = 0xC3,
    Last = 0xC4,
}

impl Part {
    fn of(kind: u8) -> Option<Self> {
        [Self::Whole, Self::First, Self::Between, Self::Last]
            .into_iter()
            .find(|part| *part as u8 == kind)
    }

    /// The one at `index` of `count`.
    fn at(index: usize, count: usize) -> Self {
        match (index == 0, index + 1 == count) {
            (true, true) => Self::Whole,
            (true, false) => Self::First,
            (false, false) => Self::Between,
            (false, true) => Self::Last,
        }
    }
}

/// One stretch of a report: so many are missing, then so many were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    missing: u16,
    received: u16,
}

/// Both directions of one connection.
#[derive(Debug)]
pub(super) struct Repair {
    own_tag: u32,
    peer_tag: u32,
    sender: Sender,
    receiver: Receiver,
}

impl Repair {
    pub(super) fn new(own_tag: u32, peer_tag: u32) -> Self {
        Self {
            own_tag,
            peer_tag,
            sender: Sender::default(),
            receiver: Receiver::default(),
        }
    }

    /// Sends a record: `write` gets each of its datagrams, which is kept until it is reported. Gives their bytes.
    pub(super) fn send(
        &mut self,
        now: Instant,
        record: BytesMut,
        mut write: impl FnMut(&[u8; HEADER_BYTES], &[u8]),
    ) -> usize {
        let (length, count) = (record.len(), record.len().div_ceil(MOST_PART_BYTES).max(1));
        // Of equal size: such datagrams leave in one system call.
        let size = length.div_ceil(count);
        let mut rest = record.freeze();
        for index in 0..count {
            let (part, bytes) = (Part::at(index, count), rest.split_to(size.min(rest.len())));
            write(&header(part as u8, self.peer_tag, self.sender.end()), &bytes);
            self.sender.push(now, part, bytes);
        }
        length + count * HEADER_BYTES
    }

    /// Takes a received datagram, if it is one of this layer: [`Self::poll_read`] has what it held in its turn.
    pub(super) fn handle_read(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let Some((header, content)) = datagram.split_first_chunk::<HEADER_BYTES>() else {
            return false;
        };
        let [kind, a, b, c, d, number @ ..] = *header;
        if u32::from_be_bytes([a, b, c, d]) != self.own_tag {
            return false;
        }
        let number = u32::from_be_bytes(number);
        if let Some(part) = Part::of(kind) {
            self.receiver.on_datagram(now, number, part, content);
        } else if kind == FEEDBACK {
            let runs = content.chunks_exact(4).take(MOST_RUNS).map(|run| Run {
                missing: u16::from_be_bytes([run[0], run[1]]),
                received: u16::from_be_bytes([run[2], run[3]]),
            });
            self.sender.on_feedback(now, number, runs);
        } else {
            return false;
        }
        true
    }

    /// The next received record in its turn.
    pub(super) fn poll_read(&mut self) -> Option<BytesMut> {
        self.receiver.poll_read()
    }

    /// The next datagram of this layer's own accord: one sent again, or a report. Gives what `write` gives.
    pub(super) fn poll_write<R>(
        &mut self,
        now: Instant,
        write: impl FnOnce(&[u8; HEADER_BYTES], &[u8]) -> R,
    ) -> Option<R> {
        if let Some((number, part, bytes)) = self.sender.poll_again(now) {
            return Some(write(&header(part as u8, self.peer_tag, number), bytes));
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

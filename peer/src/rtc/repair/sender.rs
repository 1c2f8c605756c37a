//! The sending half of repair: what was sent and not reported, what is lost, and when to ask.
//!
//! Owns copies of datagrams until their arrival is reported. It must not know what they hold.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Part, REPORT_DELAY, Run, WINDOW, widen};

/// A datagram is lost when one this much younger arrived (RFC 9002, section 6.1.1).
const REORDERING: u64 = 3;

/// Before a round trip is known.
const FIRST_PROBE: Duration = Duration::from_millis(300);
const LEAST_PROBE: Duration = Duration::from_millis(10);
const MOST_PROBE: Duration = Duration::from_secs(1);
/// Probes in a row without an answer; ICE finds out what is wrong then.
const PROBES: u32 = 8;

/// What SCTP and DTLS put into a record beside the bytes that an application counts.
const OVERHEAD_BYTES: usize = 65;

#[derive(Debug)]
struct Sent {
    part: Part,
    bytes: Bytes,
    at: Instant,
    again: bool,
    /// Arrived there, before an older one did.
    received: bool,
    /// Waits in `due`.
    due: bool,
}

impl Sent {
    /// Bytes of it that an application counts.
    fn payload(&self) -> usize {
        match self.part {
            Part::Whole | Part::First => self.bytes.len().saturating_sub(OVERHEAD_BYTES),
            Part::Between | Part::Last => self.bytes.len(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Sender {
    /// The number of the first of `sent`.
    first: u64,
    /// Bound: [`WINDOW`].
    sent: VecDeque<Sent>,
    /// Numbers to send again. Bound: those in `sent`, each once.
    due: VecDeque<u64>,
    held_bytes: usize,
    smoothed: Option<Duration>,
    variation: Duration,
    /// The newest sending or progress, from which a probe is timed.
    active_at: Option<Instant>,
    probes: u32,
    lost: u64,
}

impl Sender {
    pub(super) fn push(&mut self, now: Instant, part: Part, bytes: Bytes) {
        if self.sent.len() == WINDOW {
            self.pop();
        }
        self.sent.push_back(Sent {
            part,
            bytes,
            at: now,
            again: false,
            received: false,
            due: false,
        });
        self.active_at = Some(now);
    }

    pub(super) fn unreported(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn held_there(&self) -> usize {
        self.held_bytes
    }

    pub(super) fn losses(&self) -> (u64, u64) {
        (self.end(), self.lost)
    }

    /// The number of the next datagram.
    pub(super) fn end(&self) -> u64 {
        self.first + self.sent.len() as u64
    }

    fn pop(&mut self) -> Option<Sent> {
        let sent = self.sent.pop_front()?;
        self.first += 1;
        if sent.received {
            self.held_bytes -= sent.payload();
        }
        Some(sent)
    }

    pub(super) fn on_feedback(&mut self, now: Instant, next: u32, runs: impl Iterator<Item = Run>) {
        let Some(next) = widen(self.first, next).filter(|next| *next <= self.end()) else {
            return;
        };
        if next < self.first {
            // An older report than the newest: nothing in it is news.
            return;
        }
        // When the youngest that arrived now for the first time was sent, if it was sent once.
        let mut sample = None;
        let mut progress = false;
        while self.first < next {
            let Some(sent) = self.pop() else { break };
            if !sent.received {
                progress = true;
                sample = (!sent.again).then_some(sent.at);
            }
        }
        // What `runs` call missing, from the first to the one behind the last.
        let (mut at, mut youngest) = (0_usize, None);
        for run in runs {
            at += usize::from(run.missing);
            for _ in 0..run.received {
                let Some(sent) = self.sent.get_mut(at) else { break };
                if !std::mem::replace(&mut sent.received, true) {
                    self.held_bytes += sent.payload();
                    progress = true;
                    sample = (!sent.again).then_some(sent.at);
                }
                youngest = Some(at);
                at += 1;
            }
        }
        if let Some(sent_at) = sample {
            self.on_round_trip(now.saturating_duration_since(sent_at));
        }
        if progress {
            self.active_at = Some(now);
            self.probes = 0;
        }
        if let Some(youngest) = youngest {
            self.find_lost(now, youngest);
        }
    }

    /// Nothing is known of the new path: the next probe goes after the first interval.
    pub(super) fn on_another_path(&mut self, now: Instant) {
        self.probes = 0;
        self.smoothed = None;
        self.active_at = Some(now);
    }

    /// Whatever is older than the `youngest` that arrived, and far enough from it, is lost.
    fn find_lost(&mut self, now: Instant, youngest: usize) {
        let late = self.smoothed.map(|smoothed| smoothed * 9 / 8 + REPORT_DELAY);
        for (index, sent) in self.sent.iter_mut().take(youngest).enumerate() {
            if sent.received || sent.due {
                continue;
            }
            let far = !sent.again && (youngest - index) as u64 >= REORDERING;
            let old = late.is_some_and(|late| now.saturating_duration_since(sent.at) > late);
            if far || old {
                self.lost += u64::from(!sent.again);
                sent.due = true;
                self.due.push_back(self.first + index as u64);
            }
        }
    }

    /// The next datagram to send again.
    pub(super) fn poll_again(&mut self, now: Instant) -> Option<(u64, Part, &[u8])> {
        while let Some(number) = self.due.pop_front() {
            let index = number
                .checked_sub(self.first)
                .and_then(|index| usize::try_from(index).ok());
            let Some(index) = index.filter(|index| self.sent.get(*index).is_some_and(|sent| !sent.received))
            else {
                continue;
            };
            let sent = self.sent.get_mut(index)?;
            sent.due = false;
            sent.again = true;
            sent.at = now;
            return Some((number, sent.part, &sent.bytes));
        }
        None
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        if self.sent.is_empty() || self.probes >= PROBES {
            return None;
        }
        Some(self.active_at? + self.probe_after())
    }

    /// No report for too long: the last datagrams or their report are lost. The youngest and the oldest go again; the
    /// answer tells of all.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.next_timeout().is_none_or(|at| at > now) {
            return;
        }
        self.probes += 1;
        self.active_at = Some(now);
        let missing = |sent: &Sent| !sent.received && !sent.due;
        let oldest = self.sent.iter().position(missing);
        let youngest = self.sent.iter().rposition(missing);
        for index in [oldest, youngest.filter(|_| youngest != oldest)]
            .into_iter()
            .flatten()
        {
            if let Some(sent) = self.sent.get_mut(index) {
                sent.due = true;
                self.due.push_back(self.first + index as u64);
            }
        }
    }

    fn probe_after(&self) -> Duration {
        let base = match self.smoothed {
            Some(smoothed) => (smoothed + self.variation * 4 + REPORT_DELAY).max(LEAST_PROBE),
            None => FIRST_PROBE,
        };
        (base * (1 << self.probes.min(PROBES))).min(MOST_PROBE)
    }

    /// RFC 6298, section 2.
    fn on_round_trip(&mut self, sample: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.variation = sample / 2;
            }
            Some(smoothed) => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(sample)) / 4;
                self.smoothed = Some((smoothed * 7 + sample) / 8);
            }
        }
    }
}

//! The receiving half of repair: back into order, and what to report.
//!
//! Owns datagrams that wait behind a missing one, and the record whose parts are coming in. It must not know what they hold.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{LONG_RECORD_BYTES, MAX_RECORD_BYTES, MOST_RUNS, Part, REPORT_DELAY, Run, WINDOW, widen};

/// A missing datagram is waited for as long as SCTP takes to send its content again by itself.
const HOLD: Duration = Duration::from_secs(1);

/// Datagrams that are reported at once when they came together.
const REPORT_EVERY: u32 = 8;

/// A number further ahead than this is no loss but nonsense.
const MOST_AHEAD: u64 = 1 << 16;

#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// The number that is delivered next.
    next: u64,
    /// Slot 0 is `next`, and empty while it is missing. Bound: [`WINDOW`].
    held: VecDeque<Option<(Part, BytesMut)>>,
    held_since: Option<Instant>,
    /// Of the record whose last part is `next` or comes later. Bound: [`MAX_RECORD_BYTES`].
    parts: Option<BytesMut>,
    /// Records in order, to be taken at once.
    ready: VecDeque<BytesMut>,
    unreported: u32,
    report_at: Option<Instant>,
}

impl Receiver {
    pub(super) fn on_datagram(&mut self, now: Instant, number: u32, part: Part, content: &[u8]) {
        let Some(number) = widen(self.next, number) else {
            return;
        };
        if number >= self.next + MOST_AHEAD {
            return;
        }
        let mut urgent = false;
        while number >= self.next + WINDOW as u64 {
            self.give_up(now);
            if self.held.is_empty() {
                self.skip_to(number);
            }
        }
        match number.checked_sub(self.next).map(|ahead| ahead as usize) {
            // It came before: the other end has not heard of it.
            None => urgent = true,
            Some(0) => {
                self.put_together(part, content);
                self.next += 1;
                urgent = !self.held.is_empty();
                self.held.pop_front();
                self.deliver(now);
            }
            Some(ahead) => {
                urgent |= ahead > self.held.len();
                if self.held.len() <= ahead {
                    self.held.resize_with(ahead + 1, || None);
                }
                if let Some(slot) = self.held.get_mut(ahead) {
                    urgent |= slot.is_some();
                    slot.get_or_insert_with(|| (part, BytesMut::from(content)));
                }
                self.held_since.get_or_insert(now);
            }
        }
        self.unreported += 1;
        let at = if urgent || self.unreported >= REPORT_EVERY {
            now
        } else {
            now + REPORT_DELAY
        };
        self.report_at = Some(self.report_at.map_or(at, |before| before.min(at)));
    }

    /// Takes the content of the datagram whose turn it is. A record of which a part was given up is left out.
    fn put_together(&mut self, part: Part, content: &[u8]) {
        match part {
            Part::Whole => {
                self.parts = None;
                self.ready.push_back(BytesMut::from(content));
            }
            Part::First => {
                let mut begun = BytesMut::with_capacity(LONG_RECORD_BYTES);
                begun.extend_from_slice(content);
                self.parts = Some(begun);
            }
            Part::Between | Part::Last => {
                let fits = |begun: &BytesMut| begun.len() + content.len() <= MAX_RECORD_BYTES;
                self.parts = self.parts.take().filter(fits);
                if let Some(begun) = &mut self.parts {
                    begun.extend_from_slice(content);
                }
                if part == Part::Last {
                    self.ready.extend(self.parts.take());
                }
            }
        }
    }

    /// Moves what is in order now out of the hold.
    fn deliver(&mut self, now: Instant) {
        while let Some((part, content)) = self.held.pop_front_if(|slot| slot.is_some()).flatten() {
            self.put_together(part, &content);
            self.next += 1;
        }
        self.held_since = (!self.held.is_empty()).then_some(now);
    }

    /// Waits no longer for what is missing first.
    fn give_up(&mut self, now: Instant) {
        while self.held.pop_front_if(|slot| slot.is_none()).is_some() {
            self.skip_to(self.next + 1);
        }
        self.deliver(now);
    }

    fn skip_to(&mut self, number: u64) {
        self.next = number;
        self.parts = None;
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    pub(super) fn poll_read(&mut self) -> Option<BytesMut> {
        self.ready.pop_front()
    }

    /// The report that is due: the first number that is missing, and what came behind it.
    pub(super) fn poll_report(&mut self, now: Instant) -> Option<(u64, Vec<Run>)> {
        if self.report_at.is_none_or(|at| at > now) {
            return None;
        }
        self.report_at = None;
        self.unreported = 0;
        let mut runs: Vec<Run> = Vec::new();
        for slot in &self.held {
            let full = runs.len() == MOST_RUNS;
            match (slot, runs.last_mut()) {
                (Some(_), Some(run)) => run.received += 1,
                (None, Some(run)) if run.received == 0 => run.missing += 1,
                (None, _) if full => break,
                // Slot 0 is missing, so that a run starts with one that is.
                _ => runs.push(Run {
                    missing: 1,
                    received: 0,
                }),
            }
        }
        Some((self.next, runs))
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let hold = self.held_since.map(|since| since + HOLD);
        [self.report_at, hold].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.held_since.is_some_and(|since| since + HOLD <= now) {
            self.give_up(now);
            self.report_at = Some(now);
        }
    }
}

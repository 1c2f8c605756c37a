//! How many bytes may be in flight: delivery rate times round trip, as BBR estimates them.
//!
//! Owns the cap only. It must not know sockets or SCTP: it is told what was sent and what was acknowledged, with the
//! time, so that its tests need neither. SCTP below has a congestion window of its own; without this cap it fills
//! whatever queue the path has, loses a burst, and waits a second for its retransmission timer.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The cap before anything has been measured, and where nothing shorter than this is worth it.
const START_BYTES: usize = 256 << 10;
const LEAST_BYTES: usize = 128 << 10;

/// Head-room over one round trip: rate × (GAIN × round trip + SLACK). Less than what delayed acknowledgements and
/// jitter really add to the round trip makes the cap shrink by itself, since the rate then follows the cap; twice
/// overflows a queue of one bandwidth-delay product, and SCTP then gains back one packet a round trip (measured on
/// 200 Mbit/s with 20 ms: 23 MB/s from 768 KiB, 15 from 1 MiB).
const GAIN: f64 = 1.4;
/// Where a round lost more than this share, the queue of the path is shorter than that head-room (the share at which
/// BBR draws back too): a round of losses takes GAIN_DOWN of it, down to the least, and a clean one gives GAIN_UP back.
const MOST_LOSS: f64 = 0.02;
const LEAST_GAIN: f64 = 1.0;
const GAIN_DOWN: f64 = 0.1;
const GAIN_UP: f64 = 0.02;
/// The same while only ICE has measured the round trip, which knows nothing of delayed acknowledgements.
const FIRST_GAIN: f64 = 1.5;
/// How much faster than it arrives data may leave at first: SCTP's slow start doubles its window every round trip.
const FIRST_PACE_GAIN: f64 = 2.0;
/// Queueing that is always worth it: it keeps a short path busy between two wake-ups of this task.
const SLACK: Duration = Duration::from_millis(2);

/// Below this a burst reaches the receiver's socket at once, so that its buffer is the bound.
const SHORT_PATH: Duration = Duration::from_millis(5);

/// The least round trip is believed for this long, then two rounds are sent with little in flight to see it again.
const ROUND_TRIP_AGE: Duration = Duration::from_secs(5);
/// The first such round comes sooner.
const FIRST_ROUND_TRIP_AGE: Duration = Duration::from_secs(1);

/// The best rate of this many rounds counts.
const RATE_ROUNDS: usize = 10;

/// One mark in the stream of bytes, from which a round trip and a rate are read when it is acknowledged.
#[derive(Debug)]
struct Mark {
    /// Bytes sent up to and with this mark.
    end: u64,
    at: Instant,
    acked: u64,
    acked_at: Instant,
    /// When the newest mark that was acknowledged at that time had been sent.
    acked_sent_at: Instant,
    /// There was less to send than the cap allowed: the rate says nothing about the path.
    idle: bool,
}

/// Two rounds with little in flight: one in which the queue empties, one in which the round trip is measured.
#[derive(Clone, Copy, Debug)]
struct Drain {
    /// The round ends when this many bytes are acknowledged.
    end: u64,
    measuring: bool,
    least: Option<Duration>,
}

/// Bytes between two marks; bounds their number to the cap divided by this.
const MARK_EVERY_BYTES: u64 = 16 << 10;

/// The estimate and the cap that follows from it.
#[derive(Debug)]
pub(super) struct Congestion {
    /// What a socket at the other end holds; the bound on a short path.
    socket_bytes: usize,
    /// What the other end offers to hold; the bound anywhere.
    window_bytes: usize,
    cap: usize,
    sent: u64,
    acked: u64,
    acked_at: Instant,
    acked_sent_at: Instant,
    marks: VecDeque<Mark>,
    /// Best rate of each of the last rounds, newest last, bytes per second.
    rates: VecDeque<f64>,
    round_end: u64,
    least: Option<(Duration, Instant)>,
    smoothed: Option<Duration>,
    /// A round trip was seen with little in flight: what ICE measures beside the data counts no more.
    seen_drained: bool,
    drain: Option<Drain>,
    gain: f64,
    /// Datagrams sent and lost, ever: now, and when the round began.
    losses: (u64, u64),
    losses_before: (u64, u64),
}

impl Congestion {
    pub(super) fn new(now: Instant, socket_bytes: usize, window_bytes: usize) -> Self {
        Self {
            socket_bytes,
            window_bytes,
            cap: START_BYTES.min(socket_bytes),
            sent: 0,
            acked: 0,
            acked_at: now,
            acked_sent_at: now,
            marks: VecDeque::new(),
            rates: VecDeque::with_capacity(RATE_ROUNDS + 1),
            round_end: 0,
            least: None,
            smoothed: None,
            seen_drained: false,
            drain: None,
            gain: GAIN,
            losses: (0, 0),
            losses_before: (0, 0),
        }
    }

    /// The most that may be in flight.
    pub(super) fn cap(&self) -> usize {
        self.cap
    }

    /// The rate at which it may leave, bytes per second; `None` where bursts do no harm or nothing is known yet.
    pub(super) fn pace(&self) -> Option<f64> {
        let (least, _) = self.least.filter(|(least, _)| *least >= SHORT_PATH)?;
        let rate = self.rate();
        if rate <= 0.0 {
            return None;
        }
        Some((rate * self.gain_or(FIRST_PACE_GAIN)).max(LEAST_BYTES as f64 / least.as_secs_f64()))
    }

    /// The smoothed round trip of data, from sending to acknowledgement.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.smoothed
    }

    /// `bytes` were handed to SCTP; `idle` when the sender has nothing more though the cap would allow it.
    pub(super) fn on_sent(&mut self, now: Instant, bytes: usize, idle: bool) {
        if self.sent == self.acked {
            // Nothing was in flight: time spent idle is not part of any rate.
            self.acked_at = now;
            self.acked_sent_at = now;
        }
        self.sent += bytes as u64;
        if self
            .marks
            .back()
            .is_none_or(|last| self.sent - last.end >= MARK_EVERY_BYTES)
        {
            self.marks.push_back(Mark {
                end: self.sent,
                at: now,
                acked: self.acked,
                acked_at: self.acked_at,
                acked_sent_at: self.acked_sent_at,
                idle,
            });
        }
    }

    /// The gain, or `first` while nothing is known of the path yet.
    fn gain_or(&self, first: f64) -> f64 {
        if self.seen_drained || self.gain < GAIN {
            self.gain
        } else {
            first
        }
    }

    /// Datagrams sent and lost, ever, where somebody counts them.
    pub(super) fn on_losses(&mut self, losses: (u64, u64)) {
        self.losses = losses;
    }

    /// `in_flight` bytes remain unacknowledged.
    pub(super) fn on_in_flight(&mut self, now: Instant, in_flight: usize) {
        let acked = self.sent.saturating_sub(in_flight as u64);
        if acked <= self.acked {
            return;
        }
        self.acked = acked;
        self.acked_at = now;
        let mut newest = None;
        while self.marks.front().is_some_and(|mark| mark.end <= acked) {
            newest = self.marks.pop_front();
        }
        let Some(mark) = newest else { return };
        self.on_round_trip(now, now.saturating_duration_since(mark.at));
        self.acked_sent_at = mark.at;
        // The slower of the two counts: acknowledgements that were held up somewhere come in a bunch, and would show
        // a rate that the path does not have.
        let elapsed = now
            .saturating_duration_since(mark.acked_at)
            .max(mark.at.saturating_duration_since(mark.acked_sent_at))
            .as_secs_f64();
        if elapsed > 0.0 {
            let rate = (acked - mark.acked) as f64 / elapsed;
            if !mark.idle || rate > self.rate() {
                self.on_rate(rate);
            }
        }
        if mark.end >= self.round_end {
            self.on_round();
        }
        self.update(now);
    }

    /// A round trip that was measured beside the data, by ICE. At the start it is the only true one: the first messages
    /// wait for SCTP's slow start, and a cap from their time would let SCTP overrun the path.
    pub(super) fn on_path_round_trip(&mut self, now: Instant, sample: Duration) {
        if !self.seen_drained && self.drain.is_none() && self.least.is_none_or(|(least, _)| sample < least) {
            self.least = Some((sample, now));
        }
    }

    fn on_round_trip(&mut self, now: Instant, sample: Duration) {
        self.smoothed = Some(match self.smoothed {
            None => sample,
            Some(old) => (old * 7 + sample) / 8,
        });
        if let Some(drain) = &mut self.drain {
            if drain.measuring {
                drain.least = Some(drain.least.map_or(sample, |least| least.min(sample)));
            }
        } else if self.least.is_none_or(|(least, _)| sample <= least) {
            self.least = Some((sample, now));
        }
    }

    fn rate(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    fn on_rate(&mut self, rate: f64) {
        match self.rates.back_mut() {
            Some(newest) => *newest = newest.max(rate),
            None => self.rates.push_back(rate),
        }
    }

    fn on_round(&mut self) {
        let (sent, lost) = (
            self.losses.0 - self.losses_before.0,
            self.losses.1 - self.losses_before.1,
        );
        self.losses_before = self.losses;
        self.gain = if lost as f64 > sent as f64 * MOST_LOSS {
            (self.gain - GAIN_DOWN).max(LEAST_GAIN)
        } else {
            (self.gain + GAIN_UP).min(GAIN)
        };
        self.round_end = self.sent;
        self.rates.push_back(0.0);
        if self.rates.len() > RATE_ROUNDS {
            self.rates.pop_front();
        }
    }

    fn update(&mut self, now: Instant) {
        let Some((least, since)) = self.least else { return };
        let age = if self.seen_drained {
            ROUND_TRIP_AGE
        } else {
            FIRST_ROUND_TRIP_AGE
        };
        match self.drain {
            Some(drain) if self.acked < drain.end => {}
            // What was sent before has left the path: the round trips of the next round are the true ones.
            Some(drain) if !drain.measuring => {
                self.drain = Some(Drain {
                    end: self.sent,
                    measuring: true,
                    least: None,
                });
            }
            Some(drain) => {
                self.drain = None;
                self.seen_drained = true;
                self.least = Some((drain.least.unwrap_or(least), now));
            }
            None if now.saturating_duration_since(since) > age => {
                self.drain = Some(Drain {
                    end: self.sent,
                    measuring: false,
                    least: None,
                });
            }
            None => {}
        }
        let rate = self.rate();
        if rate <= 0.0 {
            return;
        }
        let gain = if self.drain.is_some() {
            0.6
        } else {
            self.gain_or(FIRST_GAIN)
        };
        let wanted = rate * (least.as_secs_f64() * gain + SLACK.as_secs_f64());
        let most = if least < SHORT_PATH {
            self.socket_bytes
        } else {
            self.window_bytes
        };
        self.cap = (wanted as usize).clamp(LEAST_BYTES.min(most), most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(rate: f64, round_trip: Duration, socket: usize, window: usize) -> usize {
        settle_bunched(rate, round_trip, Duration::ZERO, socket, window)
    }

    /// A path in virtual time: a bottleneck of `rate` bytes/s with `round_trip` behind it, whose acknowledgements come
    /// in bunches of `bunch`. Gives the largest cap of the last of four seconds.
    fn settle_bunched(
        rate: f64,
        round_trip: Duration,
        bunch: Duration,
        socket: usize,
        window: usize,
    ) -> usize {
        let start = Instant::now();
        let mut now = start;
        let mut congestion = Congestion::new(now, socket, window);
        congestion.on_path_round_trip(now, round_trip);
        let mut flying: VecDeque<(Instant, usize)> = VecDeque::new();
        let mut in_flight = 0;
        let mut link_free = now;
        let mut largest = 0;
        while now < start + Duration::from_secs(4) {
            while in_flight + 65_536 <= congestion.cap() {
                link_free = link_free.max(now) + Duration::from_secs_f64(65_536.0 / rate);
                let mut at = link_free + round_trip;
                if bunch > Duration::ZERO {
                    let late = (at - start).as_nanos() % bunch.as_nanos();
                    at += bunch - Duration::from_nanos(late as u64);
                }
                flying.push_back((at, 65_536));
                in_flight += 65_536;
                congestion.on_sent(now, 65_536, false);
            }
            let Some((at, bytes)) = flying.pop_front() else {
                panic!("the cap must let one message through")
            };
            now = at;
            in_flight -= bytes;
            while flying.front().is_some_and(|(next, _)| *next == at) {
                in_flight -= flying.pop_front().map_or(0, |(_, bytes)| bytes);
            }
            congestion.on_in_flight(now, in_flight);
            if now > start + Duration::from_secs(3) {
                largest = largest.max(congestion.cap());
            }
        }
        largest
    }

    #[test]
    fn acknowledgements_in_bunches_do_not_widen_the_cap() {
        let cap = settle_bunched(
            25e6,
            Duration::from_millis(20),
            Duration::from_millis(10),
            1 << 20,
            4 << 20,
        );
        // 750 kB are in flight at full rate, since an acknowledgement takes 30 ms here.
        assert!((700_000..1_300_000).contains(&cap), "{cap}");
    }

    #[test]
    fn fills_a_long_path_without_filling_its_queue() {
        let cap = settle(25e6, Duration::from_millis(20), 1 << 20, 4 << 20);
        // 500 kB are in flight at full rate; another 512 KiB fit into the queue of such a path.
        assert!((600_000..1_000_000).contains(&cap), "{cap}");
    }

    #[test]
    fn never_sends_more_than_a_socket_holds_on_a_short_path() {
        assert_eq!(
            settle(1e9, Duration::from_micros(100), 256 << 10, 4 << 20),
            256 << 10
        );
        assert_eq!(settle(1e9, Duration::from_micros(100), 1 << 20, 4 << 20), 1 << 20);
    }

    #[test]
    fn waiting_for_slow_start_does_not_widen_the_cap() {
        let mut now = Instant::now();
        let mut congestion = Congestion::new(now, 1 << 20, 4 << 20);
        congestion.on_path_round_trip(now, Duration::from_millis(20));
        // Four messages, each acknowledged after 100 ms: 2.6 MB/s at 20 ms are far below the least cap.
        for _ in 0..4 {
            congestion.on_sent(now, 65_536, false);
        }
        for left in (0..4).rev() {
            now += Duration::from_millis(100);
            congestion.on_in_flight(now, left * 65_536);
        }
        assert_eq!(congestion.cap(), LEAST_BYTES);
    }

    #[test]
    fn many_losses_take_the_head_room_and_few_do_not() {
        let settle = |loss_per_1000: u64| {
            let mut now = Instant::now();
            let mut congestion = Congestion::new(now, 1 << 20, 4 << 20);
            congestion.on_path_round_trip(now, Duration::from_millis(20));
            // 50 MB/s with 20 ms: 1 MB a round trip.
            for round in 1..=30_u64 {
                for _ in 0..16 {
                    congestion.on_sent(now, 65_536, false);
                }
                now += Duration::from_millis(20);
                congestion.on_losses((round * 1000, round * loss_per_1000));
                congestion.on_in_flight(now, 0);
            }
            congestion.cap()
        };
        let (none, few, many) = (settle(0), settle(19), settle(50));
        assert_eq!(none, few);
        assert!(many < none * 4 / 5, "{many} of {none}");
    }

    #[test]
    fn never_exceeds_the_window_of_the_receiver() {
        assert_eq!(
            settle(200e6, Duration::from_millis(100), 1 << 20, 4 << 20),
            4 << 20
        );
    }
}

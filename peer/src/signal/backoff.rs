//! When to try again, and how fast to send: both pure, with time and chance passed in.

use std::time::{Duration, Instant};

use mesh_protocol::limits::{SIGNAL_BURST, SIGNAL_RATE};

const FIRST: Duration = Duration::from_millis(250);
const MOST: Duration = Duration::from_secs(15);
/// A connection that held this long counts as good: the next cut starts from [`FIRST`] again.
const STABLE: Duration = Duration::from_secs(60);
/// The server said that it goes away: it is back soon, and all its clients come at once.
const RESTART: Duration = Duration::from_secs(2);

/// Exponential, with full jitter: anywhere between nothing and a ceiling that doubles.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { ceiling: FIRST }
    }

    /// The connection before lasted `held`.
    pub(super) fn held(&mut self, held: Duration) {
        if held >= STABLE {
            self.ceiling = FIRST;
        }
    }

    /// There is no point in trying soon.
    pub(super) fn at_most(&mut self) {
        self.ceiling = MOST;
    }

    /// How long to wait now; `chance` is in 0..1.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let wait = self.ceiling.mul_f64(chance.clamp(0.0, 1.0));
        self.ceiling = (self.ceiling * 2).min(MOST);
        wait
    }

    /// How long to wait after an announced restart.
    pub(super) fn restart(&self, chance: f64) -> Duration {
        RESTART.mul_f64(chance.clamp(0.0, 1.0))
    }
}

/// A token bucket just below the server's own, so that nothing is refused with `RATE_LIMITED`: the candidates of a few
/// sessions opened at once would be.
#[derive(Debug)]
pub(super) struct Pace {
    tokens: f64,
    at: Instant,
}

impl Pace {
    const RATE: f64 = SIGNAL_RATE as f64 * 0.8;
    const BURST: f64 = SIGNAL_BURST as f64 * 0.8;

    pub(super) fn new(now: Instant) -> Self {
        Self {
            tokens: Self::BURST,
            at: now,
        }
    }

    /// How long until a message may go; zero when it may now.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * Self::RATE).min(Self::BURST);
        self.at = now;
        if self.tokens >= 1.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64((1.0 - self.tokens) / Self::RATE)
        }
    }

    /// A message went.
    pub(super) fn sent(&mut self) {
        self.tokens -= 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_ceiling_and_starts_over_after_a_stable_minute() {
        let mut backoff = Backoff::new();
        let waits: Vec<u64> = (0..9).map(|_| backoff.next(1.0).as_millis() as u64).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]);
        backoff.held(Duration::from_secs(59));
        assert_eq!(backoff.next(1.0), MOST);
        backoff.held(Duration::from_secs(60));
        assert_eq!(backoff.next(1.0), FIRST);
        assert_eq!(
            backoff.next(0.0),
            Duration::ZERO,
            "full jitter reaches down to nothing"
        );
    }

    #[test]
    fn never_sends_more_than_the_server_takes() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut sent = 0;
        for ms in 0..10_000 {
            if pace.wait(start + Duration::from_millis(ms)).is_zero() {
                pace.sent();
                sent += 1;
            }
        }
        let most = SIGNAL_BURST + SIGNAL_RATE * 10 * 8 / 10;
        assert!((400..=most).contains(&sent), "{sent}");
    }
}

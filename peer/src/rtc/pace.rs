//! Spreads what leaves over time, so that a short queue on the path is not overrun by a burst.
//!
//! Owns a token bucket. It must not know what is sent; the rate comes from `congestion`, or from a person, with every question.

use std::time::{Duration, Instant};

/// What may leave at once: what the path takes between two ticks of the timer, and some datagrams more.
const BURST_TIME: Duration = Duration::from_millis(2);
const BURST_BYTES: f64 = 8192.0;

/// How much may leave now.
#[derive(Debug)]
pub struct Pace {
    /// Negative after a datagram that was larger than what was left.
    tokens: f64,
    at: Instant,
}

impl Pace {
    /// Begins with nothing saved up.
    pub fn new(now: Instant) -> Self {
        Self { tokens: 0.0, at: now }
    }

    /// Whether a datagram may leave at `rate` bytes/s; else how long to wait.
    pub fn wait(&mut self, now: Instant, rate: f64) -> Option<Duration> {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let most = rate * BURST_TIME.as_secs_f64() + BURST_BYTES;
        self.tokens = (self.tokens + passed * rate).min(most);
        (self.tokens < 0.0).then(|| Duration::from_secs_f64(-self.tokens / rate))
    }

    /// A datagram of so many bytes left.
    pub fn on_sent(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_carries_the_rate_and_no_instant_more_than_a_burst() {
        let start = Instant::now();
        let (mut now, mut sent, rate) = (start, 0, 10e6);
        let mut pace = Pace::new(now);
        now += Duration::from_secs(5);
        let until = now + Duration::from_secs(1);
        while now < until {
            let mut burst = 0;
            let wait = loop {
                if let Some(wait) = pace.wait(now, rate) {
                    break wait;
                }
                pace.on_sent(1200);
                burst += 1200;
            };
            assert!(burst <= 20_000 + 8192 + 1200, "{burst}");
            sent += burst;
            // A timer that ticks in whole milliseconds.
            now += wait.max(Duration::from_millis(1));
        }
        assert!((9_900_000..10_100_000).contains(&sent), "{sent}");
    }
}

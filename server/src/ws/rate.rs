//! How many frames a socket may send.

use std::time::{Duration, Instant};

/// A bucket of `burst` tokens that refills at `rate` a second.
#[derive(Debug)]
pub(super) struct Rate {
    rate: f64,
    burst: f64,
    tokens: f64,
    last: Instant,
}

impl Rate {
    pub(super) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        Self {
            rate: f64::from(rate),
            burst: f64::from(burst),
            tokens: f64::from(burst),
            last: now,
        }
    }

    /// Whether one more frame is within the rate. A refused frame costs nothing.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = now;
        self.tokens = (self.tokens + passed * self.rate).min(self.burst);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// Bad frames within one minute.
#[derive(Debug, Default)]
pub(super) struct BadFrames {
    since: Option<Instant>,
    count: u32,
}

impl BadFrames {
    const WINDOW: Duration = Duration::from_secs(60);

    /// Counts one more, and returns how many there were within the minute.
    pub(super) fn add(&mut self, now: Instant) -> u32 {
        match self.since {
            Some(since) if now.saturating_duration_since(since) < Self::WINDOW => self.count += 1,
            _ => {
                self.since = Some(now);
                self.count = 1;
            }
        }
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::new(50, 100, start);
        assert_eq!((0..200).filter(|_| rate.take(start)).count(), 100);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..200).filter(|_| rate.take(later)).count(), 50);
        let much_later = later + Duration::from_secs(3600);
        assert_eq!((0..200).filter(|_| rate.take(much_later)).count(), 100);
    }

    #[test]
    fn bad_frames_are_forgotten_after_a_minute() {
        let start = Instant::now();
        let mut bad = BadFrames::default();
        assert_eq!((0..9).map(|_| bad.add(start)).max(), Some(9));
        assert_eq!(bad.add(start + Duration::from_secs(61)), 1);
    }
}

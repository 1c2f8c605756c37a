//! The time by which leases lapse: it goes on while the machine sleeps, which [`Instant`] does not count everywhere. Without it,
//! who held control when a laptop was closed would hold it for what was left of its minute once it is opened, a day later.

use std::time::{Duration, Instant};

use crate::system::uptime;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct LeaseClock {
    began: Instant,
    /// What the clock showed then.
    reading: Duration,
}

impl LeaseClock {
    pub(super) fn start() -> Self {
        Self {
            began: Instant::now(),
            reading: uptime(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.at(uptime())
    }

    /// When to look again, for something that is due at a time of this clock. During a sleep timers stand still: one that
    /// fires late finds that it is due.
    pub(super) fn until(&self, due: Instant) -> tokio::time::Instant {
        tokio::time::Instant::now() + due.saturating_duration_since(self.now())
    }

    fn at(&self, reading: Duration) -> Instant {
        self.began + reading.saturating_sub(self.reading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_sleep_is_an_hour() {
        let clock = LeaseClock::start();
        let due = clock.now() + Duration::from_secs(60);
        let woken = clock.at(uptime() + Duration::from_secs(3_600));
        assert!(woken > due);
        assert!(clock.until(due) > tokio::time::Instant::now() + Duration::from_secs(30));
    }
}

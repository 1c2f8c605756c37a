//! The time by which leases lapse: it goes on while the machine sleeps, which [`Instant`] does not count everywhere. Without it,
//! who held control when a laptop was closed would hold it for what was left of its minute once it is opened, a day later.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// On Linux the monotonic clock stands still during a sleep; elsewhere it is this one that does not.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

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
            reading: reading(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.at(reading())
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

fn reading() -> Duration {
    let now = clock_gettime(CLOCK);
    Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_sleep_is_an_hour() {
        let clock = LeaseClock::start();
        let due = clock.now() + Duration::from_secs(60);
        let woken = clock.at(reading() + Duration::from_secs(3_600));
        assert!(woken > due);
        assert!(clock.until(due) > tokio::time::Instant::now() + Duration::from_secs(30));
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        // The time since the machine was started counts its sleep.
        assert!((reading().as_secs_f64() - uptime).abs() < 5.0);
    }
}

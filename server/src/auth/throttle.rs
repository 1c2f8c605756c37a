//! Slows down whoever guesses passwords: failures are counted per name and address.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

/// Failures at once before the first wait.
const BURST: NonZeroU32 = match NonZeroU32::new(10) {
    Some(burst) => burst,
    None => unreachable!(),
};
/// One further attempt in this time.
const PERIOD: Duration = Duration::from_secs(6);
/// Names and addresses remembered; past it those that may try again are forgotten first.
const REMEMBERED: usize = 100_000;

/// Counts failed sign-ins. A success costs nothing, so that people and tests with the right password never wait.
pub struct Throttle {
    failures: RateLimiter<u64, DashMapStateStore<u64>, DefaultClock>,
    /// Who waits, until when. Held for a lookup only; bounded by [`REMEMBERED`], ended entries are removed first.
    blocked: Mutex<HashMap<u64, Instant>>,
    /// Keys are hashed with a secret of this process: an attacker cannot make two names collide.
    hasher: RandomState,
}

impl Default for Throttle {
    fn default() -> Self {
        let quota = Quota::with_period(PERIOD)
            .unwrap_or(Quota::per_minute(BURST))
            .allow_burst(BURST);
        Self {
            failures: RateLimiter::dashmap(quota),
            blocked: Mutex::default(),
            hasher: RandomState::new(),
        }
    }
}

impl Throttle {
    fn key(&self, name_key: &str, address: IpAddr) -> u64 {
        self.hasher.hash_one((name_key, address))
    }

    /// How long this name has to wait at this address; `None` when it may try now.
    pub fn wait(&self, name_key: &str, address: IpAddr) -> Option<Duration> {
        let key = self.key(name_key, address);
        let blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let until = blocked.get(&key)?;
        until
            .checked_duration_since(Instant::now())
            .filter(|wait| !wait.is_zero())
    }

    /// Counts one failure.
    pub fn failed(&self, name_key: &str, address: IpAddr) {
        let key = self.key(name_key, address);
        if self.failures.len() >= REMEMBERED {
            self.failures.retain_recent();
        }
        let Err(early) = self.failures.check_key(&key) else {
            return;
        };
        let wait = early.wait_time_from(DefaultClock::default().now());
        let now = Instant::now();
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if blocked.len() >= REMEMBERED {
            blocked.retain(|_, until| *until > now);
        }
        if blocked.len() < REMEMBERED {
            blocked.insert(key, now + wait);
        }
    }

    /// Forgets whoever may try again. Called now and then.
    pub fn sweep(&self) {
        self.failures.retain_recent();
        let now = Instant::now();
        self.blocked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_block_one_name_at_one_address_only() {
        let throttle = Throttle::default();
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        for _ in 0..BURST.get() {
            throttle.failed("alice", here);
            assert_eq!(throttle.wait("alice", here), None);
        }
        throttle.failed("alice", here);
        assert!(throttle.wait("alice", here).is_some_and(|wait| wait <= PERIOD));
        assert_eq!(throttle.wait("alice", there), None);
        assert_eq!(throttle.wait("bob", here), None);
    }
}

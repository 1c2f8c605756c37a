//! How many capabilities a user may ask for: as many as one socket may send frames.
//!
//! Each is signed and recorded; without a bound one member could fill the record of a room in minutes.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use mesh_protocol::ids::UserId;

use crate::config::Limits;

/// Counts by user, whatever socket or sign-in they ask with. Bounded by the users that asked since the last sweep.
pub struct CapabilityRate(RateLimiter<UserId, DashMapStateStore<UserId>, DefaultClock>);

impl CapabilityRate {
    /// The rate and the burst of a socket's frames.
    pub fn new(limits: Limits) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(limits.frames_per_second));
        Self(RateLimiter::dashmap(
            quota.allow_burst(at_least_one(limits.frame_burst)),
        ))
    }

    /// Counts one; `Err` says how long to wait, and counts nothing.
    pub fn take(&self, user: &UserId) -> Result<(), Duration> {
        self.0
            .check_key(user)
            .map_err(|early| early.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets whoever may ask at full rate again.
    pub fn sweep(&self) {
        self.0.retain_recent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_users_burst_leaves_the_others_alone() {
        let limits = Limits {
            frames_per_second: 1,
            frame_burst: 5,
            ..Limits::default()
        };
        let rate = CapabilityRate::new(limits);
        let (alice, bob): (UserId, UserId) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let passed = (0..50).filter(|_| rate.take(&alice).is_ok()).count();
        assert!((5..=6).contains(&passed), "{passed}");
        assert!(
            rate.take(&alice)
                .is_err_and(|wait| wait <= Duration::from_secs(1))
        );
        assert_eq!(rate.take(&bob), Ok(()));
    }
}

//! Sends what waits in the store, until it is taken or is too old. One task and at most 8 notices on their way; each
//! user's place has one of them at most, so that one that is slow or dead delays nobody else.
//!
//! A notice is told at least once: one that was on its way when the server died is sent again after [`LEASE`].

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::notifier::Failure;
use super::places::Places;
use super::router::WINDOW_MS;
use crate::clock::Clock;
use crate::store::{Notice, Store, StoreError};

const AT_ONCE: usize = 8;
const TICK: Duration = Duration::from_secs(1);
/// Longer than any attempt takes.
const LEASE: Duration = Duration::from_secs(60);
/// After the first failure; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// What the other end may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);
/// A notice that nobody took for so long is not worth telling any more.
const GIVE_UP: Duration = Duration::from_secs(24 * 3_600);
/// What is done is forgotten every so many ticks.
const FORGET_EVERY: u32 = 60;
/// How long those on their way may take when the server ends.
const GOODBYE: Duration = Duration::from_secs(2);

pub(super) struct Outbox {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) places: Arc<Places>,
    pub(super) wake: Arc<Notify>,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How long to wait after so many attempts; `jitter` from 0 to 1 adds up to a quarter, so that places that failed together
/// are not tried together.
fn wait(attempts: u32, jitter: f64) -> Duration {
    let doubled =
        FIRST_WAIT.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST_WAIT).mul_f64(1.0 + jitter / 4.0)
}

impl Outbox {
    /// Until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let this = Arc::new(self);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut since_forgotten = 0;
        let mut flying = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = this.wake.notified() => {}
                Some(_) = flying.join_next() => {}
                _ = ticks.tick() => {
                    since_forgotten += 1;
                    if since_forgotten >= FORGET_EVERY {
                        since_forgotten = 0;
                        this.forget().await;
                    }
                }
            }
            let free = u32::try_from(AT_ONCE.saturating_sub(flying.len())).unwrap_or_default();
            if free == 0 {
                continue;
            }
            let now = this.clock.now_ms();
            match this.store.take_notices(free, now + ms(LEASE), now).await {
                Ok(due) => {
                    for notice in due {
                        let this = this.clone();
                        flying.spawn(async move { this.deliver(notice).await });
                    }
                }
                Err(error) => report(&error, "due notifications were not read"),
            }
        }
        let landed = async { while flying.join_next().await.is_some() {} };
        // What is still on its way is aborted with the set, and sent again.
        let _ = tokio::time::timeout(GOODBYE, landed).await;
    }

    async fn deliver(&self, notice: Notice) {
        let oldest = self.clock.now_ms().saturating_sub(ms(GIVE_UP));
        let told = if notice.created_at < oldest {
            Err(Failure::never("nobody took it for a day"))
        } else {
            self.places.send(&notice).await
        };
        let now = self.clock.now_ms();
        let settled = match told {
            Ok(()) => self.store.notice_done(notice.id, now).await,
            Err(Failure::Later { after, reason }) => {
                let asked = after.unwrap_or_default().min(LONGEST_ASKED);
                let wait = wait(notice.attempts, rand::random()).max(asked);
                let (attempts, to) = (notice.attempts, kind(&notice));
                tracing::debug!(to, attempts, reason, "a notification waits for another attempt");
                self.store.postpone_notice(notice.id, now + ms(wait)).await
            }
            Err(failure) => {
                let reason = failure.reason();
                tracing::info!(to = kind(&notice), reason, "a notification was given up");
                self.store.notice_done(notice.id, now).await
            }
        };
        if let Err(error) = settled {
            report(&error, "what became of a notification was not written");
        }
    }

    async fn forget(&self) {
        let before = self.clock.now_ms().saturating_sub(WINDOW_MS);
        if let Err(error) = self.store.forget_notices(before).await {
            report(&error, "old notifications were not removed");
        }
    }
}

/// The kind of place, and not which one.
fn kind(notice: &Notice) -> &'static str {
    use crate::store::Destination as D;
    match notice.destination {
        D::Server => "server",
        D::Gotify => "gotify",
        D::Ntfy => "ntfy",
        D::Browser(_) => "web push",
    }
}

fn report(error: &StoreError, what: &str) {
    tracing::warn!(%error, source = error.source(), "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let seconds: Vec<u64> = (1..=10).map(|n| wait(n, 0.0).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert_eq!(wait(u32::MAX, 0.0), LONGEST_WAIT);
        assert_eq!(wait(1, 1.0), FIRST_WAIT.mul_f64(1.25));
    }
}

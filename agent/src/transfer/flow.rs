//! How a person steers a transfer while it runs: a stop, a pause, a rate.

use std::num::NonZeroU64;
use std::time::Duration;

use mesh_peer::rtc::Pace;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What may be said to a transfer from outside.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Cancels it, and says so.
    pub stop: CancellationToken,
    /// Whether this end has paused it.
    pub paused: watch::Receiver<bool>,
    /// The most bytes per second.
    pub throttle: Option<NonZeroU64>,
}

impl From<CancellationToken> for Flow {
    /// At full speed until it is stopped.
    fn from(stop: CancellationToken) -> Self {
        Self {
            stop,
            paused: watch::channel(false).1,
            throttle: None,
        }
    }
}

/// The next pause, or its end; never where nobody can say so any more. Cancel-safe.
pub(super) async fn changed(paused: &mut watch::Receiver<bool>) -> bool {
    match paused.changed().await {
        Ok(()) => *paused.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}

/// Keeps what moves below a rate.
#[derive(Debug)]
pub(super) struct Throttle {
    pace: Pace,
    rate: Option<f64>,
}

impl Throttle {
    pub(super) fn new(rate: Option<NonZeroU64>) -> Self {
        Self {
            pace: Pace::new(Instant::now().into_std()),
            #[allow(clippy::cast_precision_loss, reason = "a rate is not counted")]
            rate: rate.map(|rate| rate.get() as f64),
        }
    }

    /// How long to wait before anything more moves.
    pub(super) fn wait(&mut self) -> Option<Duration> {
        self.pace.wait(Instant::now().into_std(), self.rate?)
    }

    /// So many bytes moved.
    pub(super) fn moved(&mut self, bytes: usize) {
        if self.rate.is_some() {
            self.pace.on_sent(bytes);
        }
    }
}

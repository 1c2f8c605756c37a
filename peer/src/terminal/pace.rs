//! How much output may be on its way to one viewer: as much as its path carries in [`LAG`].
//!
//! A whole window on a path of 10 kbit/s would be seven minutes of what nobody wants to see any more. So the time from sending to showing
//! is measured on what is sent anyway, and the window follows it.

use std::time::{Duration, Instant};

use mesh_protocol::limits::TERMINAL_WINDOW;

/// What a viewer may be behind for.
const LAG: Duration = Duration::from_millis(1_500);
/// Enough for a screen, on any path.
const LEAST: u64 = 4 * 1024;
/// Of a path that is not known yet.
const FIRST: u64 = 32 * 1024;
/// A slow viewer that lacks so many windows gets the screen as it is instead.
const WORTH_SENDING: u64 = 2;

#[derive(Debug)]
pub(super) struct Pace {
    window: u64,
    /// The last that was measured took longer than [`LAG`].
    slow: bool,
    measured: Option<Measured>,
}

/// Output whose way is being timed.
#[derive(Debug)]
struct Measured {
    /// The position after it.
    seq: u64,
    sent: Instant,
    /// Bytes on their way then, itself included.
    in_flight: u64,
    /// The most that there were since.
    most: u64,
}

impl Pace {
    pub(super) const fn new() -> Self {
        Self {
            window: FIRST,
            slow: false,
            measured: None,
        }
    }

    /// The most that may be on its way, bytes.
    pub(super) const fn window(&self) -> u64 {
        self.window
    }

    /// The most that goes as one frame: a path shows by the first of several what it carries.
    pub(super) const fn piece(&self) -> u64 {
        self.window / 4
    }

    /// Whether it is slow at all.
    pub(super) const fn is_slow(&self) -> bool {
        self.slow
    }

    /// Whether so much output would take too long to be worth it.
    pub(super) const fn is_too_much(&self, owed: u64) -> bool {
        self.slow && owed > self.window * WORTH_SENDING
    }

    /// Output up to `seq` goes.
    pub(super) fn sent(&mut self, seq: u64, in_flight: u64, now: Instant) {
        let measured = self.measured.get_or_insert(Measured {
            seq,
            sent: now,
            in_flight,
            most: in_flight,
        });
        measured.most = measured.most.max(in_flight);
    }

    /// What was on its way counts no more: a snapshot overtakes it.
    pub(super) const fn forget(&mut self) {
        self.measured = None;
    }

    /// Output up to `seq` is shown.
    pub(super) fn shown(&mut self, seq: u64, now: Instant) {
        let Some(measured) = self.measured.take_if(|measured| measured.seq <= seq) else {
            return;
        };
        let took = now.saturating_duration_since(measured.sent);
        if took > LAG {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "far below 2^52, and bounded at once"
            )]
            let fits = (measured.in_flight as f64 * (LAG.as_secs_f64() / took.as_secs_f64())) as u64;
            self.window = fits.clamp(LEAST, TERMINAL_WINDOW);
            self.slow = true;
        } else if took < LAG / 2 && measured.most >= self.window / 2 {
            // What was not used says nothing.
            self.window = (self.window * 2).min(TERMINAL_WINDOW);
            self.slow = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps the window full on a path of so many bytes a second; the windows of each round.
    fn run(rate: u64, rounds: usize) -> (Pace, Vec<u64>) {
        let (mut pace, mut now, mut seq) = (Pace::new(), Instant::now(), 0);
        let windows = (0..rounds).map(|_| {
            let window = pace.window();
            seq += window;
            pace.sent(seq, window, now);
            now += Duration::from_secs_f64(window as f64 / rate as f64);
            pace.shown(seq, now);
            window
        });
        let windows = windows.collect();
        (pace, windows)
    }

    #[test]
    fn a_fast_path_gets_the_whole_window_soon_and_is_never_spared_anything() {
        let (pace, windows) = run(10_000_000, 6);
        assert_eq!(windows[..5], [32, 64, 128, 256, 512].map(|kib| kib * 1024));
        assert_eq!(pace.window(), TERMINAL_WINDOW);
        assert!(!pace.is_too_much(u64::MAX));
    }

    #[test]
    fn a_slow_path_gets_what_it_carries_in_the_time() {
        let (pace, _) = run(20_000, 10);
        let seconds = pace.window() as f64 / 20_000.0;
        assert!((1.0..2.0).contains(&seconds), "{seconds} s");
        assert!(pace.is_too_much(3 * pace.window()) && !pace.is_too_much(pace.window()));
        let (pace, _) = run(1_250, 10);
        assert_eq!(pace.window(), LEAST);
    }

    #[test]
    fn a_path_that_recovers_is_found_out_and_idleness_proves_nothing() {
        let (mut pace, _) = run(1_250, 3);
        let (mut now, mut seq) = (Instant::now() + Duration::from_secs(3_600), 1 << 30);
        for _ in 0..100 {
            seq += 1;
            pace.sent(seq, 1, now);
            pace.shown(seq, now);
        }
        assert_eq!(pace.window(), LEAST);
        for _ in 0..10 {
            seq += pace.window();
            pace.sent(seq, pace.window(), now);
            now += Duration::from_millis(10);
            pace.shown(seq, now);
        }
        assert_eq!(pace.window(), TERMINAL_WINDOW);
    }
}

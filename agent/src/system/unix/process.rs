//! Processes, signals, and the machine they run on.

use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};
use tokio::process::Command;
use tokio::signal::unix::{self as signal, SignalKind};

/// What asks this process to end: an interrupt, the end of the system or of its terminal.
pub(crate) struct Ends([signal::Signal; 3]);

impl Ends {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self([
            signal::signal(SignalKind::interrupt())?,
            signal::signal(SignalKind::terminate())?,
            signal::signal(SignalKind::hangup())?,
        ]))
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Changes of this terminal's size.
pub(crate) struct Resizes(signal::Signal);

impl Resizes {
    pub(crate) fn new() -> io::Result<Self> {
        signal::signal(SignalKind::window_change()).map(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// Before anything else.
pub(crate) fn begin() {}

/// A program that is started by this goes on without a terminal, once it has called [`leave_terminal`].
pub(crate) fn in_background(_: &mut Command) {}

/// In a program that was started for the background: no controlling terminal, so that closing the parent's does not end it.
pub(crate) fn leave_terminal() {
    // Fails only for a process group's leader, which such a program never is.
    let _ = rustix::process::setsid();
    let _ = std::env::set_current_dir("/");
}

/// Ends standard output for whoever reads it.
pub(crate) fn let_go_of_output() {
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

/// Asks a process to end.
pub(crate) fn end_process(id: u32) -> io::Result<()> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    Ok(kill_process(
        pid.ok_or(io::ErrorKind::InvalidInput)?,
        Signal::TERM,
    )?)
}

/// The name of this machine.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What is run where nothing says otherwise.
pub(crate) fn default_shell() -> String {
    let from_login = std::env::var("SHELL").ok();
    from_login
        .filter(|shell| shell.starts_with('/'))
        .unwrap_or_else(|| "/bin/sh".into())
}

/// On Linux the monotonic clock stands still during a sleep; elsewhere it is this one that does not.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// Since the machine was started, its sleep counted.
pub(crate) fn uptime() -> Duration {
    let now = clock_gettime(CLOCK);
    Duration::new(
        now.tv_sec.try_into().unwrap_or_default(),
        now.tv_nsec.try_into().unwrap_or_default(),
    )
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_time_since_the_start_counts_the_sleep_of_the_machine() {
        let system = std::fs::read_to_string("/proc/uptime").unwrap();
        let system: f64 = system.split(' ').next().unwrap().parse().unwrap();
        assert!((super::uptime().as_secs_f64() - system).abs() < 5.0);
    }
}

//! The daemon on the desktop of its machine: notices with buttons, and a place in the tray.
//!
//! Owns what is shown there and what the owner answers. A desktop that can ask is a source at the
//! [`super::consent::Desk`] like a terminal. Where there is no desktop, or none of this was compiled in, nothing is missed.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(all(target_os = "linux", feature = "desktop"))]
mod linux;
#[cfg(all(target_os = "linux", feature = "desktop"))]
mod notifications;
#[cfg(any(not(target_os = "linux"), feature = "desktop"))]
mod tray;

#[cfg(not(target_os = "linux"))]
pub(super) use self::elsewhere::start;
#[cfg(all(target_os = "linux", feature = "desktop"))]
pub(super) use self::linux::start;
#[cfg(all(target_os = "linux", not(feature = "desktop")))]
pub(super) use self::nothing::start;

/// Compiled without a desktop.
#[cfg(all(target_os = "linux", not(feature = "desktop")))]
mod nothing {
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use crate::config::Settings;
    use crate::daemon::Core;
    use crate::notice::Notices;

    pub(in crate::daemon) enum Desktop {}

    impl Desktop {
        pub(in crate::daemon) async fn run(self, _: Core) {
            match self {}
        }
    }

    pub(in crate::daemon) async fn start(
        _: &Settings,
        _: &mut Notices,
        _: &TaskTracker,
        _: CancellationToken,
    ) -> Option<Desktop> {
        None
    }
}

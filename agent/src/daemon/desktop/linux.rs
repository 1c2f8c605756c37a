//! What a session of a Linux desktop offers, by its bus.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zbus::Connection;

use super::notifications::{self, OnDesktop};
use super::tray;
use crate::config::Settings;
use crate::daemon::Core;
use crate::notice::{Event, Notices};
use crate::session_bus;

/// A session with a bus.
pub(in crate::daemon) struct Desktop {
    bus: Connection,
    /// Whether questions are shown with buttons: then they need no notice beside.
    buttons: Arc<AtomicBool>,
    asks: bool,
    tray: bool,
}

/// Adds the desktop to the places where the owner is told. `None` where there is no session.
pub(in crate::daemon) async fn start(
    settings: &Settings,
    notices: &mut Notices,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Option<Desktop> {
    if settings.desktop_events.is_empty() && !settings.tray {
        return None;
    }
    let bus = session_bus::connect().await?;
    let buttons = Arc::new(AtomicBool::new(false));
    let place = OnDesktop::new(bus.clone(), buttons.clone());
    notices.add(settings.desktop_events.clone(), place, tasks, stop);
    Some(Desktop {
        bus,
        buttons,
        asks: settings.desktop_events.contains(&Event::Request),
        tray: settings.tray,
    })
}

impl Desktop {
    /// Asks and shows until the daemon stops.
    pub(in crate::daemon) async fn run(self, core: Core) {
        let asks = async {
            if self.asks
                && let Err(error) = notifications::ask(&core, &self.bus, &self.buttons).await
            {
                tracing::info!(%error, "nothing is asked on the desktop any more");
            }
        };
        let tray = async {
            if !self.tray {
                return;
            }
            match core.stop.run_until_cancelled(tray::is_there(&self.bus)).await {
                None => return,
                Some(Err(error)) => return tracing::info!(%error, "there is no tray"),
                Some(Ok(())) => {}
            }
            if let Err(error) = tray::show(&core).await {
                tracing::info!(%error, "the tray shows nothing");
            }
        };
        tokio::join!(asks, tray);
    }
}

//! macOS and Windows: notices, without buttons, and the tray.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tray;
use crate::config::Settings;
use crate::daemon::Core;
use crate::notice::{Notice, Notices, Place, Untold};

/// The person who is signed in sees the tray.
pub(in crate::daemon) struct Desktop;

impl Desktop {
    /// Asks and shows until the daemon stops.
    pub(in crate::daemon) async fn run(self, core: Core) {
        tray::show(&core).await;
    }
}

/// Adds the desktop to the places where the owner is told.
pub(in crate::daemon) async fn start(
    settings: &Settings,
    notices: &mut Notices,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Option<Desktop> {
    notices.add(settings.desktop_events.clone(), System, tasks, stop);
    settings.tray.then_some(Desktop)
}

/// The system's own notices.
struct System;

impl Place for System {
    fn name(&self) -> &'static str {
        "the desktop"
    }

    fn tell<'a>(&'a mut self, notice: &'a Notice) -> BoxFuture<'a, Result<(), Untold>> {
        let (title, sentence) = (notice.title.clone(), notice.sentence.clone());
        Box::pin(async move {
            let shown = tokio::task::spawn_blocking(move || {
                notify_rust::Notification::new()
                    .appname("Mesh")
                    .summary(&title)
                    .body(&sentence)
                    .show()
                    .map(drop)
            });
            match shown.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(Untold::Never(error.to_string())),
                Err(error) => Err(Untold::Never(error.to_string())),
            }
        })
    }
}

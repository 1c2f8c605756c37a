//! macOS and Windows: notices, without buttons and without a tray.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Settings;
use crate::daemon::Core;
use crate::notice::{Notice, Notices, Place, Untold};

/// There is nothing to attend to.
pub(in crate::daemon) enum Desktop {}

impl Desktop {
    pub(in crate::daemon) async fn run(self, _: Core) {
        match self {}
    }
}

pub(in crate::daemon) async fn start(
    settings: &Settings,
    notices: &mut Notices,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Option<Desktop> {
    notices.add(settings.desktop_events.clone(), System, tasks, stop);
    None
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

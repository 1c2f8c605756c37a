//! What the operator's commands change while the server runs: other keys, accounts and rooms that are gone. Looked for with each
//! sweep, since another process cannot tell.

use std::error::Error;

use crate::app::App;
use crate::bus::BusEvent;
use crate::http::announce;
use crate::store::{Bulletin, Result};

/// Knows what it has seen.
pub(crate) struct Watcher {
    last: u64,
}

impl Watcher {
    /// What was before is in the database already.
    pub(crate) async fn start(app: &App) -> Result<Self> {
        let last = app.store.bulletins(None).await?.last;
        Ok(Self { last })
    }

    /// Takes over what is new.
    pub(crate) async fn look(&mut self, app: &App) {
        match app.store.bulletins(Some(self.last)).await {
            Ok(read) => {
                self.last = read.last;
                for bulletin in read.bulletins {
                    tell(app, bulletin);
                }
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn Error,
                "the operator's changes were not read"
            ),
        }
        let (keys, now) = (app.capability_keys.clone(), app.clock.now());
        match tokio::task::spawn_blocking(move || keys.refresh(now)).await {
            Ok(Ok(true)) => {
                let published = app.capability_keys.published().keys;
                let kids: Vec<_> = published.iter().map(|key| key.kid.as_str()).collect();
                tracing::info!(?kids, "the keys of capabilities changed");
            }
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::error!(
                    error = &error as &dyn Error,
                    "the keys of capabilities were not read"
                );
            }
            Err(error) => tracing::error!(%error, "the keys of capabilities were not read"),
        }
    }
}

/// Every node reads them, and tells its own clients.
fn tell(app: &App, bulletin: Bulletin) {
    match bulletin {
        Bulletin::SignInEnded(sign_in) => app.bus.here(BusEvent::SignInEnded { sign_in }),
        Bulletin::MemberGone(room, user) => announce::member_gone_here(app, room, user, "removed"),
        Bulletin::RoomGone(room_id) => app.bus.here(BusEvent::RoomGone { room_id }),
    }
}

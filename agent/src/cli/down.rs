//! `mesh down`: stops the daemon, every share and every session of it, also one of another version.

use std::time::Duration;

use serde_json::json;

use super::Context;
use crate::config::Paths;
use crate::daemon::ipc::{Client, FromDaemon, Request, lost};
use crate::daemon::wait_until_gone;
use crate::exit::{Failure, Outcome};
use crate::system;

/// How long an orderly end may take, sockets and shells included.
const WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(context: Context) -> Outcome {
    let Some(client) = Client::connect(&context.paths.socket()?).await? else {
        context.output.result(
            "No daemon was running.",
            json!({"event": "stopped", "running": false}),
        );
        return Ok(());
    };
    let (human, event) = match stop(&context.paths, client).await? {
        Some((shares, sessions)) => (
            format!("Stopped; {shares} share(s) and {sessions} session(s) ended."),
            json!({"event": "stopped", "running": true, "shares": shares, "sessions": sessions}),
        ),
        None => (
            "Stopped; the daemon was of another version, and everything that it shared has ended.".to_owned(),
            json!({"event": "stopped", "running": true}),
        ),
    };
    context.output.result(&human, event);
    Ok(())
}

/// Ends a daemon and waits until its place is free; gives how many shares and sessions ended, where it can say so.
pub(super) async fn stop(paths: &Paths, mut client: Client) -> Outcome<Option<(usize, usize)>> {
    client.request(Request::Down).await?;
    let ended = match tokio::time::timeout(WITHIN, client.reader.next()).await {
        Ok(Ok(Some(FromDaemon::Stopped { shares, sessions }))) => Some((shares, sessions)),
        // One that speaks otherwise still knows signals.
        Ok(Ok(Some(_) | None) | Err(_)) => {
            let pid = client
                .pid
                .ok_or_else(|| lost(std::io::ErrorKind::InvalidData.into()))?;
            // It may have gone by itself.
            let _ = system::end_process(pid);
            None
        }
        Err(_) => {
            return Err(Failure::general(
                "The daemon does not stop: end its process, which `mesh status` names.",
            ));
        }
    };
    // The next `mesh up` is to find the place free.
    if !wait_until_gone(paths, WITHIN).await {
        return Err(Failure::general(
            "The daemon still runs, although it stopped sharing: end its process.",
        ));
    }
    Ok(ended)
}
